"""Runs on disk: directories, checkpoints, telemetry, and documents learned and forgotten after training.

Any program can use ``files`` (written whole or not at all), ``bundle`` (tensor files and a manifest),
``folder`` (the directory of a run and its checkpoints), ``telemetry`` and ``loop`` (steps, stops,
checkpoints). lior's own are ``checkpoint`` (its contents) and their ``format``, ``directory`` (its files),
``run`` (the public object), ``documents`` (as they were read), ``indexes`` (question answering over them),
``editing``, ``syncing``, ``inspection`` and ``geometry``.
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
