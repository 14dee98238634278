"""Runs on disk: directories, checkpoints, telemetry, and documents learned and forgotten after training.

For any program: ``files`` (written whole or not at all), ``bundle`` (tensor files and a manifest), ``folder``
(the directory of a run and its checkpoints), ``telemetry`` and ``loop`` (steps, stops, checkpoints). For
lior: ``checkpoint`` (its contents) and their ``format``, ``directory`` (its files), ``run`` (the public
object), ``asking`` (its documents as an index), ``editing``, ``syncing``, ``chat`` and ``inspection``.
"""

__all__ = [
    "asking", "bundle", "chat", "checkpoint", "directory", "editing", "files", "folder", "format",
    "inspection", "loop", "run", "syncing", "telemetry",
]  # fmt: skip
