"""Cutting: what is quoted stands in the file at the place named, and is what a person would quote."""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lior.interfaces import TEXT_KINDS, ParsedDocument, Passage
from lior_ask.chunking.blocks import join
from lior_ask.chunking.chunker import chunk, name_words
from lior_ask.chunking.page import LONGEST, units
from tests.work import count_lines

PIECES = st.sampled_from(
    [
        "# Head",
        "Head\n====",
        "* item",
        "1. item",
        "| a | b |\n|---|---|\n| c | d |",
        "```\nx = 1\n```",
        "",
        "From: a@b",
        "Subject: it",
        "",
        "A sentence. Another one! And",
        "def f(a,\n      b):",
        "class A:",
        "Best",
        "wrapped text that goes on for a while until the width",
        "    return a + b",
        "# a comment about it",
        '    """Says it.\n\n    More of it.\n    """',
        "2024-01-02 10:11:12 ERROR it broke",
        "  at line 5",
        "a,b,c",
        "Straße. Über alles.",
        "東京です。次の文。",
        "x" * 1500,
        "word " * 300,
        "\t",
        "\x0c",
        "e.g. this. J. Smith came on 3. May.",
        "[data]",
        "-x, --xyz",
        "  -v     Says more of",
        "         what it does.",
        "os.open(path)",
        "   Opens it. Then returns.",
        "term::",
        "\tdefines it",
        "+",
        ".. option:: -q",
        "It does::",
        "- [a link](x)",
        "Contents ..... 3",
        "**Bold line**",
        "a | b",
        "--- | ---",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=25).map("\n".join), st.text(max_size=200))


def passages(text: str, kind: str = "markdown", **fields: object) -> list[Passage]:
    return chunk(ParsedDocument(text=text, kind=kind, **fields), "house/boiler.md")  # type: ignore[arg-type]


def quotes(text: str, kind: str = "markdown", **fields: object) -> list[str]:
    return [passage.text for passage in passages(text, kind, **fields)]


def stands(found: list[Passage], text: str) -> None:
    """Every passage is in the text from its line and column on, whole."""
    lines = text.split("\n")
    for passage in found:
        rest = "\n".join([lines[passage.line - 1][passage.column - 1 :], *lines[passage.line :]])
        assert rest.startswith(passage.text)
        assert passage.text == passage.text.strip() != ""
        assert len(passage.text) <= LONGEST


@settings(max_examples=300)
@given(kind=st.sampled_from(TEXT_KINDS), text=TEXTS)
def test_every_passage_stands_where_it_says(kind, text):
    found = passages(text, kind)
    stands(found, text)
    places = [(p.line, p.column) for p in found]
    assert places == sorted(set(places))
    assert [p.group for p in found] == sorted(p.group for p in found)


@settings(max_examples=300)
@given(kind=st.sampled_from(TEXT_KINDS), text=TEXTS)
def test_a_block_is_a_heading_and_adjacent_passages(kind, text):
    found = passages(text, kind)
    assert all(after - before in (0, 1) for before, after in pairwise([0, *(p.block for p in found)]))
    for _, members in groupby(found, lambda p: p.block):
        block = [*members]
        *_, heading, _ = ("", *block[0].context.split("\n"))
        letters = "".join("".join([heading, *(p.text for p in block)]).split())
        for number, passage in enumerate(block):
            shown = join(block, number)
            assert shown.text[shown.begin : shown.end] == passage.text
            assert "".join(shown.text.split()) == letters


@given(kind=st.sampled_from(["prose", "log", "rows", "chat"]), text=TEXTS)
def test_no_word_is_lost(kind, text):
    """Every word is in a passage or in a heading."""
    found = passages(text, kind)
    kept = " ".join(f"{p.text} {p.context}" for p in found)
    assert set(re.findall(r"[^\W_]+", kept)) >= set(re.findall(r"[^\W_]+", re.sub(r"\S{300,}", "", text)))


def test_work_is_linear_in_the_text():
    for piece in ("x", " ", ". ", "| ", "# ", "a(", "*\n", "# a\n", "a\n=\n", ">", "`"):
        for kind in TEXT_KINDS:
            work = []
            for size in (1500, 1500, 6000):  # the first computes what is kept
                text = ". " + piece * (size // len(piece)) + "z"
                work.append(count_lines(partial(passages, text, kind)))
            assert work[2] < 6 * work[1], (piece, kind)


def test_real_files():
    for kind in ("code", "prose"):
        for path in sorted(Path(json.__file__).parent.glob("*.py")):
            text = path.read_text()
            found = passages(text, kind)
            assert len(found) > 5, kind
            stands(found, text)


def test_wrapped_paragraph_is_cut_into_sentences():
    text = """The boiler is serviced every year in the second week of October, by the
company Lindqvist. They need about two hours. Their number is in the
contacts, e.g. under heating. Dr. Berg knows it too."""
    assert [" ".join(quote.split()) for quote in quotes(text)] == [
        "The boiler is serviced every year in the second week of October, by the company Lindqvist.",
        "They need about two hours.",
        "Their number is in the contacts, e.g. under heating.",
        "Dr. Berg knows it too.",
    ]


def test_abbreviations_and_dates_do_not_end_a_sentence():
    sentences = ["The lamp was mended by Dr. Berg on 3. May, e.g. in the hall.", "Prof. A. Lund paid for it."]
    assert quotes(" ".join(sentences)) == sentences
    offer = ["Der Preis ist 120 Euro inkl. MwSt und Fahrt.", "Das Angebot gilt bis Juli."]
    assert quotes(" ".join(offer)) == offer
    assert quotes("これは東京の駅の写真です。次の文が続きます。") == [
        "これは東京の駅の写真です。次の文が続きます。"
    ]


def test_short_lines_stay_lines():
    text = "Wifi: blue-heron\nPassword: swordfish\nRouter is behind the shelf\n"
    assert quotes(text) == text.splitlines()


def test_lines_of_a_price_list_are_passages():
    prices = [
        "Clifton Windows   4 sash windows, fitted   2,980",
        "Harrow Joinery   4 sash windows, of oak   3,450",
    ]
    assert quotes("\n".join(prices)) == prices
    wrapped = (
        "We pay 12 pounds for the first of the windows and\nFriday is the day when the other 3 are paid."
    )
    assert quotes(wrapped) == [wrapped]


def test_a_leader_joins_a_name_and_its_amount():
    for leader in (
        " ............ ",
        ".......... ",
        " . . . . . . ",
        " ... ",
        "………… ",
        " ········ ",
        " ______ ",
        " ----- ",
    ):
        lines = [
            f"{name}{leader}{price} €" for name, price in (("Cuota fija", "11,38"), ("IVA 10%", "-4,97"))
        ]
        text = "\n".join(["RESUMEN", *lines, f"cuota de la sección de vela{leader}Club Náutico"])
        assert quotes(text, "prose")[: len(lines) + 1] == ["RESUMEN", *lines], leader
        assert not [p.text for p in passages("\n".join(lines), "prose") if p.title]
    assert not any(p.title for p in passages("Coffee ..... 3\nTea ..... 2\nWater ..... 1", "prose"))
    for stop in ("...", "....", " ..."):
        sentences = [f"He thought about it for a while{stop}", "Then he left the room."]
        assert quotes(" ".join(sentences)) == sentences


def test_lines_of_notes_are_not_joined():
    for text in (
        "wifi flat: Kutterhafen / seegurke-44-lampe\n"
        "wifi institute: eduroam, certificate expires 12 December 2026\n"
        "wifi boat: router under the bench, password moewe-7-anker\n"
        "door code of the archive: 4711, changes 1 January 2027",
        "Der Schlüssel zum Keller hängt hinter der Küchentür\n"
        "Die Luftpumpe liegt unter der Treppe, links\n"
        "Die Mülltonnen kommen am Dienstagabend hinaus",
        "broad bean Aquadulce - half a packet, good till next year\n"
        "runner Scarlet Emperor - own seed, plenty\n"
        "courgette (green, Defender) - none left, order in March",
        "lun. 24/03 09:12 Inès > quelqu'un a vu la boîte d'amorces 7 ?\n"
        "24/03 09:20 Lubin > moi, elle était restée sur la paillasse",
    ):
        assert quotes(text, "prose") == text.splitlines()


def test_lines_in_small_letters_that_fill_a_width_are_one_sentence():
    lines = ["we took the boat out on saturday because the wind was", "fair and nobody had to work", "again"]
    assert quotes("\n".join(lines), "prose") == lines
    lines[1] += ", then the engine failed"
    assert quotes("\n".join(lines), "prose") == ["\n".join(lines)]


def test_no_sentence_ends_amid_a_date():
    for date in ("12.12. 2026", "12. 12. 2026", "12 Dez. 2026", "24.03. 09:15"):
        sentences = [f"The certificate of the institute expires {date} at the latest.", "Ask Tom in May."]
        assert quotes(" ".join(sentences)) == sentences
    sentences = ["The old form is switched off on 30 June.", "23 customers still send it."]
    assert quotes(" ".join(sentences)) == sentences


def test_list_items_share_the_group_of_the_line_that_announces_them():
    items = ["1. Hold the red button.", "2. Wait a minute until the lamp\n   goes out."]
    found = passages("\n".join(["To reset it:", "", *items, "", "Elsewhere."]))
    assert [p.text for p in found] == ["To reset it:", *items, "Elsewhere."]
    assert [p.group == found[0].group for p in found] == [True, True, True, False]


def test_headings_of_all_levels_are_context():
    found = passages(
        "# House\n## Boiler\nIt is old.\n### Reset\nHold it.\n## Roof\nIt leaks.\n# Car\n# Bike\nRed."
    )
    assert [(p.text, p.context) for p in found] == [
        ("It is old.", "House\nBoiler\nhouse boiler"),
        ("Hold it.", "House\nBoiler\nReset\nhouse boiler"),
        ("It leaks.", "House\nRoof\nhouse boiler"),
        ("# Car", "house boiler"),
        ("Red.", "Bike\nhouse boiler"),
    ]


def test_underlined_headings_and_those_in_capitals():
    assert passages("House\n=====\n\nBoiler\n------\n\nOld.")[0].context == "House\nBoiler\nhouse boiler"
    assert passages("SYNOPSIS\n\n   ls files", "prose")[0].context == "SYNOPSIS\nhouse boiler"


def test_rows_carry_the_header_of_their_table():
    rows = passages("name,phone\nAda,12\n", "rows")
    assert [(p.text, p.context) for p in rows] == [("Ada,12", "name phone\nhouse boiler")]
    assert quotes("Ada,12\nBo,34\n", "rows") == ["Ada,12", "Bo,34"]  # the first row is no head
    assert passages("| name | phone |\n|---|---|\n| Ada | 12 |")[1].context.startswith("name phone")


def test_mail_has_subject_and_sender_as_context():
    text = (
        "Subject: Keys\nFrom: ada@x.org\n\nThey hang in the hall.\n\nSubject: Tea\nFrom: bo@x.org\n\nGreen."
    )
    found = passages(text, "mail", places=((0, "Keys"), (5, "Tea")))
    assert [(p.text, p.context.split("\n")[:-1], p.place) for p in found if p.text[0] in "TG"] == [
        ("They hang in the hall.", ["ada@x.org", "Keys"], "Keys"),
        ("Green.", ["bo@x.org", "Tea"], "Tea"),
    ]
    assert len({p.group for p in found}) == 4  # two heads and two paragraphs


def test_messages_of_a_chat_have_their_further_lines():
    text = "[1.2.24, 10:00] Ada: where is it?\n[1.2.24, 10:01] Bo: there\nbehind the shelf"
    assert quotes(text, "chat", places=((0, "Ada"), (1, "Bo")))[1].endswith("behind the shelf")


def test_a_question_in_a_chat_and_its_reply_share_a_block():
    said = [f"Ada: line {n}" for n in range(5)] + [
        "Ada: where is the key?",
        "Bo: behind the shelf",
        "Ada: ah",
    ]
    found = passages("\n".join(said), "chat", places=tuple((n, "x") for n in range(len(said))))
    assert [(p.group, p.block) for p in found[-3:]] == [(0, 0), (0, 0), (1, 1)]


CODE = '''\
# how to load
def load(path,
         mode):
    """Read it. Then close it."""
    data = open(path)
    return data

x = load(1)
'''


def test_code_knows_its_definitions():
    found = passages(CODE, "code")
    assert [p.text for p in found] == [
        "# how to load",
        "def load(path,\n         mode):",
        '"""Read it.',
        'Then close it."""',
        "data = open(path)\n    return data",
        "x = load(1)",
    ]
    assert [p.context.split("\n")[0] for p in found][2:] == ["load"] * 3 + ["house boiler"]
    assert [p.group == found[0].group for p in found] == [True] * 5 + [False]


def blocks(text: str, kind: str = "prose") -> list[tuple[str, list[str]]]:
    """The innermost heading and the passages of each block."""
    by_number = groupby(passages(text, kind), lambda p: p.block)
    members = ([*block] for _, block in by_number)
    return [
        (("", *block[0].context.split("\n"))[-2], [" ".join(p.text.split()) for p in block])
        for block in members
    ]


def test_blocks():
    for text, wanted in (
        (  # a manual page: the definition below or beside its term
            """\
       -warn, -nowarn
              Turn messages on or off. The default corresponds to
              -nowarn otherwise.

       -d     A synonym for -depth, for compatibility.

       -mount Don't  descend  directories  on  other filesystems.  An
              alternate name for -xdev.

       These options are the same everywhere.
""",
            [
                (
                    "-warn, -nowarn",
                    ["Turn messages on or off.", "The default corresponds to -nowarn otherwise."],
                ),
                ("-d", ["-d A synonym for -depth, for compatibility."]),
                (
                    "-mount",
                    [
                        "-mount Don't descend directories on other filesystems.",
                        "An alternate name for -xdev.",
                    ],
                ),
                ("", ["These options are the same everywhere."]),
            ],
        ),
        (  # AsciiDoc
            "-a::\n--all::\n\tStage all files.\n+\nNot new ones.\n\n-q::\n\tSay less.\n\nOther text.\n",
            [
                ("-a, --all", ["Stage all files.", "Not new ones."]),
                ("-q", ["Say less."]),
                ("", ["Other text."]),
            ],
        ),
        (  # the help of a program
            "options:\n  -h, --help     show this message\n  --sort-keys    sort the output\n"
            "                 by its keys\n",
            [
                ("", ["options:"]),
                ("-h, --help", ["-h, --help show this message"]),
                ("--sort-keys", ["--sort-keys sort the output by its keys"]),
            ],
        ),
        (  # reStructuredText
            ".. function:: f(a)\n              g(a)\n\n   Gives a.\n\n"
            "As here::\n\n    f(x)\n      y\n\nFOO\n  Is set.\n",
            [("function f(a), g(a)", ["Gives a."]), ("", ["As here::", "f(x) y"]), ("FOO", ["Is set."])],
        ),
        (  # a question and a list are not divided, a section is
            "# A\n\n**Why is it so**\n\nBecause.\n\n# B\n\nTo do it:\n\n- one\n- two\n\nMore of it.\n",
            [("Why is it so", ["Because."]), ("B", ["To do it:", "- one", "- two", "More of it."])],
        ),
        (  # rows
            "name | phone\n--- | ---\nAda | 12\nBo | 34\n",
            [("", ["name | phone"]), ("name phone", ["Ada | 12"]), ("name phone", ["Bo | 34"])],
        ),
        ("x " * 500 + ".\n\n" + "y " * 500 + ".\n", None),
    ):
        found = blocks(text)
        if wanted is None:  # paragraphs that are too long for one block
            assert len(found) == 2, text
        else:
            assert found == wanted, text


def test_rows_with_wide_spaces_between_their_cells_stand_alone():
    """A cell may go on in the line below it."""
    rows = [
        "Garden pump with a lever of cast iron    1    1,240.00",
        "Seal of rubber for pumps of this kind    3",
    ]
    text = "\n".join([*rows, "and also for older ones", "Delivery to the garden behind the house    40.00"])
    assert [p.text for p in passages(text, "prose")] == [
        rows[0],
        f"{rows[1]}\nand also for older ones",
        "Delivery to the garden behind the house    40.00",
    ]


def test_code_right_below_a_paragraph_is_in_its_block():
    """Also where the section is too long for one block; after an empty line it is not."""
    filling, fence = f"It is {'about pumps ' * 48}. " * 2, "```\nlimit = 1.2\n```\n"
    for gap in ("", "\n"):
        text = f"# A\n\n{filling}\n\nA leak is below 1.2 bar.\n{gap}{fence}"
        last = blocks(text, "markdown")[-1][1]
        assert last[-1] == "limit = 1.2"
        assert ("A leak is below 1.2 bar." in last) == (not gap)


def test_lines_that_name_what_stands_elsewhere_are_titles():
    found = passages(
        "Contents\n========\n\nBoiler ........ 3\n- [Garden](garden.md)\n\nSee [it](x.md) there.\n"
    )
    assert [(p.text, p.title) for p in found] == [
        ("Boiler ........ 3", True),
        ("- [Garden](garden.md)", True),
        ("See [it](x.md) there.", False),
    ]
    contents = "1. One\n    1.1. Boiler\n2. Two\n    2.1. Garden\n\n1.1. Boiler\n\nIt is red.\n"
    found = passages(contents)
    assert [p.title for p in found] == [True] * 4 + [False]
    assert found[-1].context.startswith("1.1. Boiler\n")
    assert not any(p.title for p in passages("1. Milk\n2. Bread\n3. Eggs\n4. Tea"))
    assert [p.title for p in passages("a | b\n--- | ---\n1 | 2")] == [True, False]


def test_sections_of_a_configuration_are_headings():
    found = passages("[server]\nport = 80\n\n[data.base]\n# in seconds\ntimeout = 30\n", "code")
    assert [(p.text, p.context.split("\n")[0]) for p in found] == [
        ("port = 80", "server"),
        ("# in seconds", "data.base"),
        ("timeout = 30", "data.base"),
    ]


def test_a_word_alone_goes_with_the_next_line():
    assert quotes("Best\nAda Berg\n\nPIN 4711\nRed tin") == ["Best\nAda Berg", "PIN 4711", "Red tin"]


def test_lines_of_the_file_are_used_where_a_reader_gives_them():
    assert [p.line for p in passages("One is here.\nTwo is there.", lines=(7, 9))] == [7, 9]


def test_a_title_without_text_is_a_passage():
    assert [(p.text, p.line) for p in passages("", lines=(7,), title="On Sorting")] == [("On Sorting", 7)]


def test_words_of_names():
    assert name_words("a/house/heatPump_manual-2024.pdf") == "house heat Pump manual 2024"
    assert name_words("HTTPServer.py") == "HTTP Server"


@given(TEXTS)
def test_units_are_disjoint_and_in_order(text):
    spans = [(m.start(), m.end()) for m in re.finditer(r"[^\n]*\S[^\n]*", text)]
    found = list(units(text, spans)) if spans else []
    assert all(a < b for a, b in found)
    assert all(a[1] <= b[0] for a, b in pairwise(found))
