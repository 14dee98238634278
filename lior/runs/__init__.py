"""Runs on disk: directories, checkpoints, telemetry, and documents learned and forgotten after training.

For any program: ``files`` (written whole or not at all), ``bundle`` (tensor files and a manifest), ``folder``
(the directory of a run and its checkpoints), ``telemetry`` and ``loop`` (steps, stops, checkpoints). For
lior: ``checkpoint`` (its contents) and their ``format``, ``directory`` (its files), ``run`` (the public
object), ``documents`` (as they were read), ``indexes`` (what answers questions about them), ``editing``,
``syncing``, ``inspection`` and ``geometry``.
"""

__all__ = [
    "bundle",
    "checkpoint",
    "directory",
    "documents",
    "editing",
    "files",
    "folder",
    "format",
    "geometry",
    "indexes",
    "inspection",
    "loop",
    "manifest",
    "run",
    "syncing",
    "telemetry",
]
