"""The public names of lior.counting."""

from lior.counting.compiled import (
    begin_compiling as begin_compiling,
    compiling as compiling,
    entry as entry,
    inner as inner,
)
from lior.counting.journal import (
    JournalMemory as JournalMemory,
)
from lior.counting.kernels import (
    array_at as array_at,
    prefetch as prefetch,
)
