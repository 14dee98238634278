"""The public names of lior.reading."""

from lior.reading.compression import (
    COMPRESSED as COMPRESSED,
    DECOMPRESSED_LIMIT as DECOMPRESSED_LIMIT,
    decompress as decompress,
    is_compressed as is_compressed,
)
from lior.reading.decoding import (
    decode_text as decode_text,
    is_utf8 as is_utf8,
)
from lior.reading.documents import (
    EMBEDDED as EMBEDDED,
    RawDocument as RawDocument,
    documents_in as documents_in,
    read_document_file as read_document_file,
    read_documents as read_documents,
    read_embedded as read_embedded,
)
from lior.reading.files import (
    File as File,
    cause_of as cause_of,
    find_changed as find_changed,
    read_if_changed as read_if_changed,
    read_limited as read_limited,
)
from lior.reading.finding import (
    FOREIGN as FOREIGN,
    SourceFile as SourceFile,
    archive_names as archive_names,
    as_paths as as_paths,
    expand as expand,
    find_files as find_files,
    folders_of as folders_of,
    follow_links as follow_links,
    follows_links as follows_links,
    labels_of as labels_of,
    names_path as names_path,
)
from lior.reading.isolation import (
    end_idle_workers as end_idle_workers,
    read_in_this_process as read_in_this_process,
)
from lior.reading.limits import (
    Account as Account,
    Limits as Limits,
    NO_LIMITS as NO_LIMITS,
    TAKES_ALL as TAKES_ALL,
    current_account as current_account,
    current_limits as current_limits,
    is_late as is_late,
    limit_by as limit_by,
    open_account as open_account,
)
from lior.reading.parsing import (
    document_names as document_names,
    parse_bytes as parse_bytes,
)
from lior.reading.skipping import (
    LIMITED as LIMITED,
    SkipReason as SkipReason,
    SkippedFile as SkippedFile,
    most_common_reasons as most_common_reasons,
    no_text_message as no_text_message,
)
from lior.reading.structure import (
    by_lines as by_lines,
)
