"""The public names of lior.plugins."""

from lior.events import (
    hookimpl as hookimpl,
    manager as manager,
)
from lior.plugins.devices import (
    block_entries as block_entries,
    device_plugin as device_plugin,
    fit_blocks as fit_blocks,
    pick_device as pick_device,
)
from lior.plugins.kinds import (
    KINDS as KINDS,
)
from lior.plugins.listening import (
    tell as tell,
)
from lior.plugins.trust import (
    ALLOW as ALLOW,
    opening as opening,
)
