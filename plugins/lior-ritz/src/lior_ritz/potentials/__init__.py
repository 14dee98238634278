"""Potentials: plugins of the kind ``potential``, those of other distributions included.

A potential is an attrs class as :class:`lior_ritz.problem.Potential` describes it, announced in the
entry-point group ``lior_ritz.potentials``.
"""

from __future__ import annotations

from lior import Kind, Registry

registry = Registry(
    kinds={"potential": Kind(group="lior_ritz.potentials", interface="lior_ritz.problem:Potential")}
)
"""Finds potentials by name."""
