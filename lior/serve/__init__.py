"""A run that stays in memory, for people, programs and agents: `lior serve` and `lior mcp`.

:mod:`~lior.serve.versions` holds the run (one writer, many readers), :mod:`~lior.serve.streams` reads its
model, :mod:`~lior.serve.answers` makes records of answers. On these stand the doors: :mod:`~lior.serve.own`
(JSON), :mod:`~lior.serve.completions` (OpenAI's protocol), :mod:`~lior.serve.agents` (MCP) and
:mod:`~lior.serve.page`. :mod:`~lior.serve.guard` stands before all of them; :mod:`~lior.serve.app` connects
them. The extra ``lior[serve]`` has what they need.
"""

__all__ = ["agents", "app", "limits", "server", "versions"]
