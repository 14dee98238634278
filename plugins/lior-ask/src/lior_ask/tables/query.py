"""A typed query over the rows of a table: conditions, a measure, an aggregate, a group, an order.

It holds no text of a question and no words; :mod:`lior_ask.tables.columns` selects its rows and
:mod:`lior_ask.tables.telling` puts it into words.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Literal

import attrs


class Aggregate(Enum):
    """What is made of the rows that fulfil the conditions."""

    COUNT = "count"
    EXISTS = "exists"
    LIST = "list"
    SUM = "sum"
    MEAN = "mean"
    MEDIAN = "median"
    DISTINCT = "distinct"
    DUPLICATES = "duplicates"
    HIGHEST = "highest"
    LOWEST = "lowest"
    NEWEST = "newest"
    OLDEST = "oldest"
    VALUE = "value"
    SHARE = "share"
    BETWEEN = "between"


ADDED = (Aggregate.SUM, Aggregate.MEAN, Aggregate.MEDIAN)
"""Aggregates of numbers."""
FIRST = (Aggregate.HIGHEST, Aggregate.LOWEST, Aggregate.NEWEST, Aggregate.OLDEST)
"""Aggregates that select the first rows in an order."""
LARGEST = (Aggregate.HIGHEST, Aggregate.NEWEST)
"""Those whose order descends."""
Sign = Literal["<", "<=", ">", ">=", "=", "!="]
Place = Literal["next", "previous", "below", "above"]


@attrs.frozen
class Is:
    """A cell is one of some values; with ``part``, these are values that have the words asked for."""

    column: int
    values: tuple[str, ...]
    part: str = ""
    """The words, if ``values`` are those that contain them."""
    several: bool = False
    """Whether several values are named, each of which is counted."""
    named: str = ""
    """``from`` or ``to`` for the sender or the receiver of a message."""


@attrs.frozen
class Compares:
    """A number is below or above a constant, or the number of another column of the row."""

    column: int
    sign: Sign
    value: Decimal | None = None
    other: int | None = None


@attrs.frozen
class Within:
    """A date is in a period; ends are ISO 8601 or empty if open."""

    column: int
    first: str
    last: str
    shown: str
    """The period in words."""
    yearless: bool = False
    """Whether days of any year are meant; the ends are then ``MM-DD``."""
    spans: bool = False
    """Whether it reaches from one named period to another, for the difference of two rows."""


@attrs.frozen
class Filled:
    """A cell is not empty."""

    column: int


@attrs.frozen
class Beside:
    """A cell compares to that of another row, or its row is next to it: "dearer than the pump"."""

    column: int
    how: Sign | Place
    """``next`` and ``previous`` are in the order of the column, ``below`` and ``above`` in that of the rows.

    A cell is the same (``=``) in other rows than the one named."""
    of: tuple[Is, ...]
    """The conditions that name the other row."""


@attrs.frozen
class Meets:
    """A cell passes a test; only the grammar has such conditions."""

    column: int
    test: Callable[[str], bool]


@attrs.frozen
class Not:
    """A condition does not hold."""

    of: Expr


Atom = Is | Compares | Within | Filled | Beside
Expr = Atom | Not
Test = Expr | Meets
OPPOSITE: dict[Sign, Sign] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
"""Sign of a comparison -> that of the negative numbers."""


def atom(condition: Expr) -> Atom:
    """Return a condition without its negation."""
    return atom(condition.of) if isinstance(condition, Not) else condition


@attrs.frozen
class Group:
    """A grouping of rows."""

    by: int | str
    """The column of the groups, or ``day``, ``week``, ``month`` or ``year``."""
    over: str = ""
    """``highest``, ``lowest`` or ``mean`` of the groups; empty for all."""
    dated: int | None = None
    """The column of the dates, for a unit of time."""


@attrs.frozen(kw_only=True)
class Query:
    """A query over one table, given by its number among those of the question."""

    table: int
    aggregate: Aggregate
    where: tuple[Expr, ...] = ()
    measure: int | None = None
    """The column that is added up, compared, looked up or whose values are counted.

    Without one, the newest row is the last one of the table, and the oldest is the first."""
    sign: int = 1
    """The factor of the numbers: -1 for outgoing amounts, which are negative."""
    group: Group | None = None
    few: int = 0
    """The number of rows or groups asked for; 0 for one, or for all."""
    part: tuple[Expr, ...] = ()
    """The conditions of the part whose share is asked for."""
    show: int | None = None
    """The column that names the rows found."""
    other: int | None = None
    """The second column of dates, for the days between two."""

    def descends(self, kind: str) -> bool:
        """Return whether the order of ``FIRST`` descends in a measure of a kind: outgoing amounts are < 0."""
        return (self.aggregate in LARGEST) != (kind == "number" and self.sign < 0)

    @property
    def two(self) -> Is | None:
        """The condition with the two values whose numbers of rows, or whose sums, are compared."""
        found = [c for c in self.where if isinstance(c, Is) and c.several and len(c.values) == 2]
        return found[0] if self.aggregate is Aggregate.BETWEEN and len(found) == 1 else None
