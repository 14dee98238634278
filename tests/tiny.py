"""Settings that train the smallest geometry and counting memory in a moment."""

from __future__ import annotations

TINY = (
    "geometry.updates=2",
    "geometry.batch=8",
    "geometry.keys=64",
    "encoder.n=4",
    "memory.sdm.orders=[0,1,2]",
    "memory.sdm.patterns=[]",
    "memory.sdm.joint=[]",
    "memory.sdm.base_order=1",
    'memory.sdm.gates=["longest","cell"]',
    "mixer.positions=64",
)
