"""Compose a model of plugins given as instances, together with others given by name.

python examples/plugin_instance.py
"""

import lior
from lior_plugins.frames.rotor import Rotor
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.sdm import Sdm

notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\n" * 9 for i in range(20)}
run = lior.train(
    documents=notes,
    frame=Rotor(layers=4),
    rsource="curvature",
    memory=[Sdm(), Exact(capacity=1024)],
    geometry={"updates": 20},
)
print(run.model.geometry.frame)
print(f"{run.summary['val_bits_per_byte']:.3f} bits per byte")
print(run.complete("Note 7: the meeting", 14, temperature=0))
