"""The public names of lior.plots."""

from lior.plots.axes import (
    COLOURS as COLOURS,
    CURVE_COLOURS as CURVE_COLOURS,
    LEVEL_COLOURS as LEVEL_COLOURS,
    LabelColumn as LabelColumn,
    logarithmic as logarithmic,
    name_rows as name_rows,
)
from lior.plots.figures import (
    drawing_library as drawing_library,
    write_picture as write_picture,
)
from lior.plots.panels import (
    BarChart as BarChart,
    Curve as Curve,
    Finish as Finish,
    HeatMap as HeatMap,
    Histogram as Histogram,
    LeftOut as LeftOut,
    LineChart as LineChart,
    Panel as Panel,
    Picture as Picture,
    ScatterPlot as ScatterPlot,
    Table as Table,
)
from lior.plots.scales import (
    format_number as format_number,
)
