"""The public names of lior.plugins."""

from lior.events import (
    hookimpl as hookimpl,
    manager as manager,
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
