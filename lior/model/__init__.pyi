"""The public names of lior.model."""

from lior.data.corpus import (
    Corpus as Corpus,
    build_corpus as build_corpus,
    byte_lengths as byte_lengths,
    gather_contexts as gather_contexts,
)
from lior.model.baseline import (
    nats_per_token as nats_per_token,
)
from lior.model.detokenizer import (
    Detokenizer as Detokenizer,
)
from lior.model.evaluation import (
    evaluate as evaluate,
)
from lior.model.generation import (
    Asked as Asked,
    Session as Session,
    draw as draw,
    is_plain as is_plain,
    proceed as proceed,
)
from lior.model.provenance import (
    Explained as Explained,
    explain as explain,
)
from lior.model.scoring import (
    ScoredDocument as ScoredDocument,
    score_documents as score_documents,
)
