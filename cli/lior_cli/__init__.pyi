"""The public names of lior_cli."""

from lior_cli.config import (
    echo_resolved as echo_resolved,
)
from lior_cli.documents import (
    list_documents as list_documents,
)
from lior_cli.interrupts import (
    Stop as Stop,
    drive as drive,
    import_torch as import_torch,
)
from lior_cli.lazy import (
    LazyGroup as LazyGroup,
)
from lior_cli.options import (
    PluginName as PluginName,
    RealNumber as RealNumber,
    RunPath as RunPath,
    TextPath as TextPath,
    WholeNumber as WholeNumber,
    device_option as device_option,
    field_options as field_options,
    given as given,
    is_run as is_run,
    limits_option as limits_option,
    run_among as run_among,
    seed_option as seed_option,
)
from lior_cli.output import (
    escape_controls as escape_controls,
    redraw as redraw,
    unescape as unescape,
)
from lior_cli.pages import (
    check_page as check_page,
    html_page as html_page,
    write_page as write_page,
)
from lior_cli.pictures import (
    build_pictures as build_pictures,
    choose_pictures as choose_pictures,
    folder_for_files as folder_for_files,
    picture_options as picture_options,
    present_pictures as present_pictures,
    refuse_without_effect as refuse_without_effect,
)
from lior_cli.progress import (
    PLAIN_SECONDS as PLAIN_SECONDS,
    Progress as Progress,
    resident_bytes as resident_bytes,
)
from lior_cli.sources import (
    colored as colored,
    printable_line as printable_line,
)
from lior_cli.systems import (
    Callback as Callback,
    Texts as Texts,
    json_option as json_option,
    layer_options as layer_options,
    quiet_option as quiet_option,
)
from lior_cli.terminal import (
    echo_table as echo_table,
    printable_text as printable_text,
    terminal_columns as terminal_columns,
    wrap_text as wrap_text,
)
from lior_cli.why import (
    show_why as show_why,
)
