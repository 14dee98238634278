"""The public names of lior_plugins."""

from lior_plugins.conformal import (
    ricci_scalar as ricci_scalar,
)
from lior_plugins.counting.journal import (
    JournalMemory as JournalMemory,
)
from lior_plugins.counting.kernels import (
    array_at as array_at,
    prefetch as prefetch,
)
from lior_plugins.encoders.lags import (
    Lags as Lags,
)
from lior_plugins.encoders.poles import (
    Poles as Poles,
    scan_poles as scan_poles,
    stream_poles as stream_poles,
)
from lior_plugins.encoders.tables import (
    lookup_rows as lookup_rows,
    scatter_rows as scatter_rows,
)
from lior_plugins.memories.sdm import (
    Sdm as Sdm,
)
from lior_plugins.products.identity import (
    IdentityLift as IdentityLift,
)
from lior_plugins.products.spinor import (
    rotor_phases as rotor_phases,
)
from lior_plugins.products.tensor import (
    TensorProduct as TensorProduct,
)
from lior_plugins.readers.entries import (
    read_entries as read_entries,
)
from lior_plugins.readers.numerals import (
    CLOCK as CLOCK,
    NOTHING as NOTHING,
    Numerals as Numerals,
    SHORT_DATE as SHORT_DATE,
    hours_in as hours_in,
    months_first as months_first,
    number_in as number_in,
    with_main_unit as with_main_unit,
)
from lior_plugins.rsources.coordinates import (
    Mapped as Mapped,
    mapped as mapped,
)
from lior_plugins.updaters.contrastive import (
    Contrastive as Contrastive,
)
from lior_plugins.updaters.spsa import (
    Spsa as Spsa,
)
