"""The stages of a training run: each does one window at a time, and can be stopped and gone on with.

All that a stage knows between two windows is in its :meth:`~lior.stages.job.Stage.snapshot`
and in the model, so a run that stops after any window and goes on later does what one
that never stopped does, bit for bit. What can be worked out again is not kept: a stage
remembers the state of the random numbers from which it was made.
"""
