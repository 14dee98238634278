"""A store in canonical order, as checkpoints hold it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lior.errors import UsageError

MAX_SIZE = 65535
"""Maximum number of counters of a location."""

_ADDRESS_BITS = 48


class Packed(NamedTuple):
    """A store in canonical order, as checkpoints hold it: equal contents give equal arrays."""

    addresses: NDArray[np.int64]
    """Addresses of the locations, ascending, ``(N,)``."""
    sizes: NDArray[np.int32]
    """Number of counters of each location, ``(N,)``."""
    counters: NDArray[np.uint8]
    """Counters of the locations, one after the other, ``(M, 12)``."""

    def checked(self) -> Packed:
        """Return this store, or raise ``UsageError`` if its arrays are inconsistent: compiled loops trust
        it."""
        addresses, sizes, counters = self
        if (
            len(addresses) != len(sizes)
            or (len(sizes) and not 1 <= sizes.min() <= sizes.max() <= MAX_SIZE)
            or int(sizes.sum(dtype=np.int64)) != len(counters)
            or (len(addresses) and not 0 <= addresses[0] <= addresses[-1] < 1 << _ADDRESS_BITS)
            or not (np.diff(addresses) > 0).all()
        ):
            raise UsageError("addresses, sizes and counters do not form a memory")
        return self
