"""Potentials: plugins of the kind ``potential``, those of other distributions included.

A potential is an attrs class as :class:`lior_ritz.problem.Potential` describes it, announced in the
entry-point group ``lior_ritz.potentials``.
"""

from __future__ import annotations

from lior import Kind, Registry
from lior.config import TypedField, typed_fields

registry = Registry(
    kinds={
        "potential": Kind(
            group="lior_ritz.potentials", interface="lior_ritz.problem:Potential", api_version=2
        )
    }
)
"""Finds potentials by name."""


def options(name: str) -> dict[str, TypedField]:
    """The options of a potential by name, with their types and help; ``PluginError`` if it is not there."""
    return typed_fields(registry.get("potential", name))
