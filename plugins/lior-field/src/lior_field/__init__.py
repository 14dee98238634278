"""Field dynamics for lior: evolution, memory, action and observables of a complex field.

:mod:`~lior_field.grid` has the periodic grid and its operators, :mod:`~lior_field.hamiltonian` the energy
``H``, :mod:`~lior_field.dynamics` the three ways in which a field moves, :mod:`~lior_field.memory` what it
remembers, :mod:`~lior_field.paths` actions and geodesics, and :mod:`~lior_field.observables` what is read
from it.
"""

__all__ = ["algebra", "dynamics", "grid", "hamiltonian", "memory", "observables", "paths"]
