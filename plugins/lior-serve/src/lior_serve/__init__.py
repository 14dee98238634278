"""Serve documents to people, programs and agents: `lior serve` and `lior mcp`.

:mod:`~lior_serve.sources` defines the sources of documents. :mod:`~lior_serve.folder` serves the index of
folders and :mod:`~lior_serve.run` a trained run (one writer, many readers), whose model
:mod:`~lior_serve.streams` reads. The transports are built on these: :mod:`~lior_serve.rest` (JSON),
:mod:`~lior_serve.openai` (OpenAI's protocol), :mod:`~lior_serve.agents` (MCP) and :mod:`~lior_serve.page`;
only a run has :mod:`~lior_serve.inspection`, :mod:`~lior_serve.editing` and :mod:`~lior_serve.completions`.
:mod:`~lior_serve.middleware` checks requests; :mod:`~lior_serve.app` connects them. torch is imported for
runs only.
"""

__all__ = ["agents", "app", "folder", "limits", "run", "run_server", "server", "sources"]
"""The modules that the command line uses."""
