"""The public names of lior_ask."""

from lior_ask.answer.figures import (
    EVENT as EVENT,
    bars as bars,
    event_time as event_time,
    headline as headline,
    refusal as refusal,
    shown as shown,
)
from lior_ask.answer.selection import (
    Answer as Answer,
)
from lior_ask.answer.serialise import (
    answer_record as answer_record,
    in_words as in_words,
    passage_record as passage_record,
)
from lior_ask.api import (
    Index as Index,
)
from lior_ask.chunking.blocks import (
    block_around as block_around,
)
from lior_ask.cli.options import (
    endpoint_of as endpoint_of,
    endpoint_option as endpoint_option,
    index_option as index_option,
)
from lior_ask.cli.transport import (
    make_private as make_private,
    socket_file as socket_file,
)
from lior_ask.conversation.composing import (
    Material as Material,
    prepare_material as prepare_material,
)
from lior_ask.conversation.dialogue import (
    Dialogue as Dialogue,
    SEARCH_DEPTH as SEARCH_DEPTH,
    Turn as Turn,
    confirm_turn as confirm_turn,
)
from lior_ask.conversation.endpoint import (
    Endpoint as Endpoint,
    check_reply as check_reply,
)
from lior_ask.idle import (
    IdleReader as IdleReader,
)
from lior_ask.index.context_lines import (
    around as around,
    file_texts as file_texts,
    lines_of as lines_of,
)
from lior_ask.index.embedding import (
    embedder as embedder,
)
from lior_ask.judging.features import (
    NAMES as NAMES,
)
from lior_ask.languages.words import (
    tokens as tokens,
)
from lior_ask.languages.replies import (
    code as code,
    code_of as code_of,
    columns_in as columns_in,
    in_words_of as in_words_of,
    label as label,
    labels as labels,
    preferred as preferred,
)
from lior_ask.question.filters import (
    Filters as Filters,
)
from lior_ask.question.query import (
    analyse as analyse,
)
from lior_ask.question.question import (
    LONGEST_QUESTION as LONGEST_QUESTION,
    Question as Question,
)
from lior_ask.ranking.bm25 import (
    bm25_ranking as bm25_ranking,
    recall as recall,
)
from lior_ask.suggesting import (
    suggestions as suggestions,
)
from lior_ask.watching import (
    watch_changes as watch_changes,
    watch_fault as watch_fault,
)
