"""The public names of lior.testing."""

from lior.testing.devices import (
    device_contract as device_contract,
)
from lior.testing.embedders import (
    embedder_contract as embedder_contract,
)
from lior.testing.encoders import (
    encoder_contract as encoder_contract,
)
from lior.testing.frames import (
    frame_contract as frame_contract,
)
from lior.testing.listeners import (
    listener_contract as listener_contract,
)
from lior.testing.memories import (
    memory_contract as memory_contract,
)
from lior.testing.products import (
    product_contract as product_contract,
)
from lior.testing.readers import (
    check_document as check_document,
    reader_contract as reader_contract,
)
from lior.testing.rsources import (
    rsource_contract as rsource_contract,
)
from lior.testing.strategies import (
    Contract as Contract,
    law as law,
)
from lior.testing.suites import (
    Failure as Failure,
    require_hypothesis as require_hypothesis,
    run_suite as run_suite,
    suite as suite,
)
from lior.testing.tokenizers import (
    tokenizer_contract as tokenizer_contract,
)
from lior.testing.updaters import (
    updater_contract as updater_contract,
)
