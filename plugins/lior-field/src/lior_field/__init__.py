"""Field dynamics for lior: evolution, memory and action of a complex field.

:mod:`~lior_field.grid` has the periodic grid and its operators, :mod:`~lior_field.hamiltonian` the energy
``H``. :mod:`~lior_field.dynamics` has the three evolutions of a field, :mod:`~lior_field.memory` its memory
kernels, and :mod:`~lior_field.paths` actions and geodesics.
"""

__all__ = ["algebra", "dynamics", "grid", "hamiltonian", "memory", "paths"]
