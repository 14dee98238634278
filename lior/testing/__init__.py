"""Contract suites: the laws that every plugin of a kind obeys.

A plugin's author writes, with pytest::

    from lior.testing import frame_contract

    TestMine = frame_contract(lambda: Mine(rank=2))

``lior plugins --check`` runs the same suites without pytest. The suites need ``hypothesis``, which the
extra ``lior[check]`` installs. Public modules: one a kind of plugin, and :mod:`~lior.testing.strategies`.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
