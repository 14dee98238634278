"""The public names of lior.runs."""

from lior.runs.checkpoint import (
    Checkpoint as Checkpoint,
    Document as Document,
)
from lior.runs.directory import (
    newest as newest,
    open_checkpoint as open_checkpoint,
    open_run as open_run,
)
from lior.runs.documents import (
    as_in_file as as_in_file,
    documents_of_run as documents_of_run,
    parse_document as parse_document,
    parse_documents as parse_documents,
    texts_of as texts_of,
    verify_manifest as verify_manifest,
)
from lior.runs.files import (
    lock as lock,
    locked as locked,
    write_text as write_text,
)
from lior.runs.format import (
    misfits_as_run_errors as misfits_as_run_errors,
    read_manifest as read_manifest,
)
from lior.runs.loop import (
    Loop as Loop,
    LoopState as LoopState,
    START as START,
    Stopwatch as Stopwatch,
    never_stop as never_stop,
)
from lior.runs.syncing import (
    Synced as Synced,
    finish_sync as finish_sync,
    scan_files as scan_files,
)
from lior.runs.telemetry import (
    Telemetry as Telemetry,
)
