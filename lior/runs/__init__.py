"""Runs on disk: directories, checkpoints, telemetry, and documents learned and forgotten after training.

Five modules serve any program. ``files`` writes files whole or not at all, and ``bundle`` writes tensor
files with a manifest. ``folder`` has the directory of a run and its checkpoints, ``telemetry`` the numbers
of a run, and ``loop`` its steps, stops and checkpoints. The others are lior's own. ``checkpoint`` has the
contents of a checkpoint, ``format`` its format, and ``directory`` the files of a run. ``run`` is the public
object, ``edits`` its checkpoint in memory with the changes, and ``questions`` the index of its documents,
which ``indexes`` finds. ``documents`` returns the documents as they were read. ``editing``, ``syncing`` and
``inspection`` work on finished runs.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
