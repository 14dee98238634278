"""The public names of lior.config."""

from lior.config.components import (
    Component as Component,
    Components as Components,
    Key as Key,
    device_option as device_option,
    plugin_option as plugin_option,
    schema_keys as schema_keys,
    split_names as split_names,
    without_instances as without_instances,
)
from lior.config.options import (
    RawText as RawText,
    TypedField as TypedField,
    check_table as check_table,
    conform as conform,
    option as option,
    typed_fields as typed_fields,
)
from lior.config.recipes import (
    read_recipe as read_recipe,
)
from lior.config.resolving import (
    Labelled as Labelled,
    Override as Override,
    Resolved as Resolved,
    build_plugin as build_plugin,
    flatten as flatten,
    resolve as resolve,
    to_table as to_table,
    to_toml as to_toml,
    values as values,
    variable as variable,
)
from lior.config.sampling import (
    ChatSampling as ChatSampling,
)
from lior.config.schema import (
    GEOMETRY as GEOMETRY,
    GEOMETRY_KEYS as GEOMETRY_KEYS,
    GeometryConfig as GeometryConfig,
    MixerConfig as MixerConfig,
    PREFIX as PREFIX,
    TrainConfig as TrainConfig,
    build as build,
    headline as headline,
    keys as keys,
    load as load,
    load_chosen as load_chosen,
    with_instances as with_instances,
)
