"""Serve documents to people, programs and agents: `lior serve` and `lior mcp`.

:mod:`~lior.serve.sources` says what can be served. :mod:`~lior.serve.folder` has the index of folders and
:mod:`~lior.serve.run` a trained run (one writer, many readers), whose model :mod:`~lior.serve.streams` reads.
On these stand the transports: :mod:`~lior.serve.rest` (JSON), :mod:`~lior.serve.openai` (OpenAI's protocol),
:mod:`~lior.serve.agents` (MCP) and :mod:`~lior.serve.page`; only a run has :mod:`~lior.serve.inspection`,
:mod:`~lior.serve.editing` and :mod:`~lior.serve.completions`. :mod:`~lior.serve.middleware` checks requests;
:mod:`~lior.serve.app` connects them. The extra ``lior[serve]`` has what they need. torch is imported for runs
only.
"""

__all__ = ["agents", "app", "folder", "limits", "run", "run_server", "server", "sources"]
"""What the command line uses."""
