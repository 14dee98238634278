"""The public names of lior.compiling."""

from lior.compiling.compiled import (
    PACKAGES as PACKAGES,
    begin_compiling as begin_compiling,
    compiling as compiling,
    entry as entry,
    inner as inner,
)
