"""Pages of PDF with columns are read column by column; bills and tables row by row."""

from __future__ import annotations

from itertools import zip_longest
from textwrap import wrap

from lior_ask.chunking.chunker import chunk
from tests.cases import cases
from tests.reading.samples import one, pdf

LEFT, RIGHT, TOP, LEADING = 60, 320, 700, 12
WELL = (
    "The garden pump stands beside the old well behind the house, under the roof that Mr Holt built in 1987. "
    "It draws from a depth of nine metres. The seal was last renewed in March 2021, after a frost broke it."
)
TANK = (
    "It was commissioned in the spring of 2011 by the council. The tank below the terrace holds 4200 litres, "
    "and an overflow leads to the ditch along the northern wall. Its filter is cleaned every spring."
)


def put(x: float, y: float, text: str, size: float = 10) -> str:
    """A text at a place of the page, as operators inside those of ``pdf``."""
    for mark in r"\()":
        text = text.replace(mark, "\\" + mark)
    return f") Tj /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({text}"


def column(x: float, text: str, top: float = TOP, width: int = 46, size: float = 10) -> list[str]:
    """A text as lines of ``width`` characters below each other."""
    return [put(x, top - LEADING * n, line, size) for n, line in enumerate(wrap(text, width))]


def rows(*columns: list[str]) -> list[str]:
    """Columns line by line, as some programs write them."""
    return [each for row in zip_longest(*columns, fillvalue="") for each in row]


def sentences(page: list[str]) -> list[str]:
    """The paragraphs of a page, each in one line, with one space between words."""
    document = one(pdf("".join(page)), "a.pdf")
    found = [""]
    for number, line in enumerate(document.text.split("\n")):
        found[-1:] = [f"{found[-1]} {line}"] if number in document.wrapped else [found[-1], line]
    return [" ".join(each.split()) for each in found if each]


def test_columns_below_a_title_are_read_one_after_the_other():
    """The second goes on with the last sentence of the first."""
    title = [put(150, 740, "Pumps and Wells of the Northern Gardens", 18)]
    page = title + rows(column(LEFT, WELL + " The pump"), column(RIGHT, "was paid by the council. " + TANK))
    text = f"{WELL} The pump was paid by the council. {TANK}"
    assert sentences(page) == ["Pumps and Wells of the Northern Gardens", text]


def test_an_abstract_goes_across():
    abstract = (
        "Abstract. We report on the pumps of forty gardens in twelve years, and on all necessary repairs."
    )
    across = column(LEFT, abstract, 740, width=80)
    page = rows(across) + rows(column(LEFT, WELL), column(RIGHT, TANK))
    assert sentences(page) == [abstract, WELL, TANK]
    assert sentences([*across, *column(LEFT, WELL), *column(RIGHT, TANK)]) == [abstract, WELL, TANK]


def test_a_table_across_the_columns_is_read_by_rows():
    cells = [
        ("Season", "Pumps", "Repairs", "Euro"),
        ("Spring", "40", "12", "1,240"),
        ("Summer", "38", "3", "310"),
    ]
    table = [
        put(100 + 110 * n, 580 - 16 * m, cell) for m, row in enumerate(cells) for n, cell in enumerate(row)
    ]
    caption = [put(140, 520, "Table 1. Repairs of the pumps by season, over all gardens")]
    for above, below in ((table, caption), (caption, table)):
        page = rows(column(LEFT, WELL), column(RIGHT, TANK)) + above + below
        page += rows(column(LEFT, TANK, 480), column(RIGHT, WELL, 480))
        assert sentences(page)[:2] == [WELL, TANK]
        assert sentences(page)[-2:] == [TANK, WELL]
        assert {" ".join(row) for row in cells} <= set(sentences(page))


def test_footnotes_and_the_number_of_the_page_come_last():
    note = "1 Mr Holt was the head gardener from 1980 to 1999."
    foot = column(LEFT, note, 580, size=7)
    page = rows(column(LEFT, WELL + " The pump") + foot, column(RIGHT, "was paid by the council. " + TANK))
    page.append(put(290, 60, "7"))
    assert sentences(page) == [f"{WELL} The pump was paid by the council. {TANK}", note, "7"]


def test_three_columns_with_headings_and_lines_at_other_heights():
    heads = [put(x, 720, text, 13) for x, text in ((50, "Wells"), (230, "Tanks"), (410, "Roofs"))]
    roof = (
        "The roof of the shed was tarred in 1994 and has kept dry since; its gutter leads to the tank below."
    )
    parts = column(50, WELL, width=30), column(230, TANK, 695, width=30), column(410, roof, 698, width=30)
    assert sentences(heads + rows(*parts)) == ["Wells", WELL, "Tanks", TANK, "Roofs", roof]


def test_words_are_joined_that_are_divided_at_the_end_of_a_line():
    left = [
        "The garden pump was com-",
        "missioned by the council in the spring of 2011,",
        "and it is looked after by the gard-",
    ]
    right = [
        "ener, whose phone number is 4711. It draws",
        "from a depth of nine metres. The seal was last",
        "renewed in March of this year.",
    ]
    page = rows(
        *(
            [put(x, TOP - 12 * n, t) for n, t in enumerate(lines)]
            for x, lines in ((LEFT, left), (RIGHT, right))
        )
    )
    (text,) = sentences(page)
    assert "was commissioned by the council" in text
    assert "by the gardener, whose" in text


BILLS = {
    "labels and amounts": """
        60 Garden pump, cast iron, with hand lever | 480 1,240.00 EUR
        60 Delivery to the house, and fitting by two men | 490 85.50 EUR
        60 Seals of rubber, forty millimetres, three of them | 490 13.50 EUR
        60 Value added tax of 19 per cent on all of these | 485 254.41 EUR
        60 Total, to be paid until the end of the month | 480 1,593.41 EUR
    """,
    "four columns": """
        60 Number | 120 Article | 380 Pieces | 480 Price
        60 A-1001 | 120 Garden pump with a hand lever, of cast iron | 390 1 | 480 1,240.00
        60 A-1002 | 120 Seal of rubber for pumps of this kind, large | 390 3 | 490 13.50
        60 A-1003 | 120 pipe of copper with fittings at both its ends | 390 2 | 490 85.00
        60 A-1004 | 120 delivery to the garden behind the old house | 390 1 | 490 40.00
        120 Total of all articles with delivery and taxes | 390 7 | 480 1,378.50
    """,
    "a form": """
        60 Name of the customer | 300 Anna Smith and Robert Holt
        60 Delivery address | 300 12 High Street, HU1 2AB Hull, England
        60 Contract number | 300 4711-0815
        60 To be paid until | 300 31 December 2026, by transfer
        60 Amount | 300 1,593.41 EUR
        60 Way of delivery that was wanted | 300 by a carrier, on a weekday before noon
    """,
    "long cells": """
        60 The pump draws air instead of water | 300 Renew the seal, and tighten the ring below it
        60 The lever is stiff after every winter | 300 Grease the joint with fat that has no acid
        60 Water drips from the pipe in frost | 300 Empty the pump, and close the valve in the well
        60 The filter is full of sand and leaves | 300 Rinse it in a bucket, never under the pump
    """,
}
"""What stands in each row, after the place from the left."""


@cases("name", BILLS)
def test_bills_are_read_row_by_row(name):
    page, expected = list[str](), list[str]()
    for number, row in enumerate(BILLS[name].strip().split("\n")):
        cells = [cell.strip().split(" ", 1) for cell in row.split("|")]
        page += (put(float(x), 700 - 16 * number, text) for x, text in cells)
        expected.append(" ".join(text for _, text in cells))
    assert sentences(page) == expected
    passages = chunk(one(pdf("".join(page)), "a.pdf"), "a.pdf")
    assert [" ".join(passage.text.split()) for passage in passages] == expected


def test_cells_of_a_table_that_come_one_by_one_keep_their_order():
    """Their lines fill their columns, as those of prose do."""
    cells = WELL, TANK, f"It is old. {WELL}", f"It is new. {TANK}", TANK, WELL
    page = [column((LEFT, RIGHT)[n % 2], cell, TOP - 100 * (n // 2)) for n, cell in enumerate(cells)]
    assert " ".join(sentences([line for cell in page for line in cell])) == " ".join(cells)
