"""The pictures of a run: their numbers, from its model, its memories and its telemetry.

:mod:`~lior_cli.run_pictures.pictures` computes them, with :mod:`~lior_cli.run_pictures.learning` and
:mod:`~lior_cli.run_pictures.scoring`; :mod:`~lior_cli.run_pictures.subjects` has their names. The panels of
:mod:`lior.plots` draw them.
"""
