"""Field dynamics for lior: evolution, memory and action of a complex field.

:mod:`~lior_field.grid` has the periodic grid and its operators, :mod:`~lior_field.hamiltonian` the energy
``H``, :mod:`~lior_field.dynamics` the three ways in which a field moves, :mod:`~lior_field.memory` what it
remembers, and :mod:`~lior_field.paths` actions and geodesics.
"""

__all__ = ["algebra", "dynamics", "grid", "hamiltonian", "memory", "paths"]
