"""The public names of lior."""

from lior.api import (
    train as train,
)
from lior.config.sampling import (
    Sampling as Sampling,
)
from lior.errors import (
    LiorError as LiorError,
)
from lior.interfaces import (
    Passage as Passage,
)
from lior.model.language_model import (
    Model as Model,
)
from lior.plugins.kinds import (
    Kind as Kind,
)
from lior.plugins.registry import (
    Registry as Registry,
    registry as registry,
)
from lior.runs.run import (
    Run as Run,
    load as load,
)
from lior.training.preparation import (
    resume as resume,
)

__version__: str
