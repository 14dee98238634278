"""The extension points of lior: the members that a plugin of each kind must have.

Everything is a ``Protocol``: an implementation needs no base class, only the members named here.

* **Geometry is functional.** Frames, sources, products, encoders and updaters hold only their options.
  Their parameters are a ``State``, a flat ``dict[str, Tensor]``, which is passed in; methods return new
  dictionaries and never write into their arguments' tensors. ``learned`` names the entries that an updater
  may change; the other entries are statistics.
* **Memories and tokenizers are objects** that change. ``snapshot`` returns the whole content as a ``State``,
  and ``restore`` takes it.
* **Randomness is explicit.** It comes from the ``torch.Generator`` passed in.
* **Derivatives are written by hand.** ``pullback`` methods map the derivative of a scalar with respect to the
  output to derivatives with respect to learned entries and inputs. No implementation uses autograd.

Shapes: ``n`` is the dimension of a coordinate ``z``, ``m`` the dimension of a mapped coordinate ``y = A
z``. ``A`` is the root of the metric (``AᵀA = g``), so that ``g(z, z') = y · y'``; ``...`` stands for batch
dimensions.

``api_version`` of a plugin class is the interface version that it was written for; lior refuses others.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
