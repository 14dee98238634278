"""The built-in readers: what each format gives, where it stands in the file, and what a damaged file says."""

from __future__ import annotations

import json
import random
import sys
from email.message import EmailMessage
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import DataError, LiorError, MissingPackage
from lior.plugins.registry import registry
from lior.reading.parsing import parse_bytes
from lior_ask.chunking.chunker import chunk
from lior_plugins.readers import pictures
from tests.cases import cases
from tests.reading.samples import EPUB, SAMPLES, attached, mail, notebook, one, pdf, sourced


def reason(data: bytes, name: str) -> str:
    """With what it is refused; nothing if it is not."""
    try:
        for document in parse_bytes(data, name):
            document.text.encode()
    except LiorError as error:
        return str(error)
    return ""


def test_every_reader_has_a_sample():
    suffixes = {f".{name.rpartition('.')[2]}" for name in SAMPLES}
    for name in registry.names("reader"):
        assert suffixes & set(registry.get("reader", name).suffixes), f"no sample for {name}"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_damaged_file_gives_one_line_or_what_is_left(name, monkeypatch):
    monkeypatch.setattr(pictures, "can_recognise", lambda: True)
    monkeypatch.setattr(pictures, "recognise", lambda picture: ["text"])  # that takes seconds
    data, random_ = SAMPLES[name], random.Random(1)
    assert reason(data, name) == ""
    damaged = [data[: len(data) * part // 7] for part in range(1, 7)]
    for _ in range(12):
        spoiled = bytearray(data)
        for _ in range(1 + len(data) // 50):
            spoiled[random_.randrange(len(data))] = random_.randrange(256)
        damaged.append(bytes(spoiled))
    for each in damaged:
        said = reason(each, name)
        assert len(said.splitlines()) <= 1


@cases(
    ("name", "reason"),
    [
        ("a.pdf", "damaged or protected PDF"),
        ("a.docx", "damaged or protected DOCX"),
        ("a.odt", "damaged or protected ODT"),
        ("a.epub", "damaged or protected EPUB"),
        ("a.ipynb", "damaged notebook"),
    ],
)
def test_the_reason_names_the_format(name, reason):
    with pytest.raises(DataError, match=reason):
        parse_bytes(SAMPLES[name][:60], name)


def test_html_lines_are_those_of_the_file():
    page = """<!doctype html>
<html><head><title>The
 Page</title><script>var hidden = 1;</script></head>
<body><nav>Home <b>About</b></nav>
<div role=navigation><div>Menu</div> more</div>
<h2>Water &amp;
heat</h2>
<p>First line
second <b>line</b>.<br>third
<ul><li>one<li>two</ul>
<table>
<tr>
 <th>pump</th>
 <td>7 W</td>
</tr></table>
<pre>
 a  b
# no heading
</pre>end</body></html>"""
    document = one(page.encode(), "a.html")
    assert document.title == "The Page"
    assert document.kind == "markdown"
    assert sourced(document) == [
        (6, "## Water & heat"),
        (8, "First line"),
        (9, "second line."),
        (9, "third"),
        (10, "- one"),
        (10, "- two"),
        (13, "pump | 7 W"),
        (16, "```"),
        (17, " a  b"),
        (18, "# no heading"),
        (19, "```"),
        (19, "end"),
    ]


def test_html_with_tags_that_never_end_is_text():
    text = one(b"<p>left < right <b and " + b"<p " * 10_000, "a.html").text
    assert text.startswith("left < right <b and <p")


@cases(
    ("page", "lines", "notes"),
    [
        (b"<p>a&#10;b&#10;c", [(1, "a"), (1, "b"), (1, "c")], ()),  # line breaks that the file does not have
        (b"<p>seen</p>\n<nav>never\n<p>left", [(1, "seen")], ("<nav> never ends: what follows is left out",)),
    ],
)
def test_html_with_odd_ends(page, lines, notes):
    document = one(page, "a.html")
    assert (sourced(document), document.notes) == (lines, notes)


@given(st.lists(st.text("abc <>&;é", min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=8))
def test_html_words_stand_in_their_lines(lines):
    from html import escape

    source = "<p>" + "\n".join(escape(line) for line in lines) + "</p>"
    found = sourced(one(source.encode(), "a.html"))
    assert found == [(n, " ".join(line.split())) for n, line in enumerate(lines, 1) if line.strip()]


def test_rows_keep_their_first_line():
    assert sourced(one(SAMPLES["a.csv"], "a.csv")) == [
        (1, "name,note"),
        (2, 'Anna,"two lines"'),
        (4, "Bob,one"),
    ]
    loose = one(b'a,b\n1,"x\n2,y\n', "a.csv")
    assert loose.text.split("\n")[1:3] == ['1,"x', "2,y"]
    assert "quotes" in loose.notes[0]


@given(
    st.lists(st.lists(st.text('ab,;"\n é', max_size=5), min_size=2, max_size=2), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_row_is_a_line(rows, end):
    import csv
    import io

    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=end).writerows([["name", "note"], *rows])
    source = buffer.getvalue().encode()
    document = one(source, "a.csv")
    assert document.text.rstrip("\n").count("\n") == len(rows)


def test_documents_of_json_lines():
    first, second = parse_bytes(SAMPLES["a.jsonl"] + b'{"other": 1}\nno json\n', "a.jsonl")
    assert (first.name, first.title, first.text, first.lines) == ("d1", "T", "first", (1,))
    assert (second.name, second.lines) == ("d2", (2,))
    assert "2 lines left out" in first.notes[0]
    assert "line 3" in first.notes[0]
    twice = parse_bytes(b'{"_id": 1, "text": "a\\nb \\ud800"}\n{"_id": 1, "text": "c"}\n', "a.jsonl")
    assert [(r.name, r.text, r.lines) for r in twice] == [("1", "a\nb \ufffd", (1, 1)), ("1", "c", (2,))]


def test_other_json_lines_are_rows():
    source = b'{"level": "info", "msg": "started"}\n{"level": "warn"\n'
    document = one(source, "a.jsonl")
    assert (document.kind, document.text, document.lines) == ("rows", source.decode(), None)


def test_json_on_one_line_is_spread():
    document = one(b'{"key": {"inner": "caf\\u00e9"}}', "a.json")
    assert '  "inner": "café"' in document.text.split("\n")
    assert set(document.lines) == {1}


def test_cells_of_a_notebook_have_their_lines():
    data = notebook()
    document = one(data, "a.ipynb")
    source = data.decode().split("\n")
    for number, line in sourced(document):
        assert line == "```" or line in source[number - 1]
    assert [name for _, name in document.places] == ["cell 1", "cell 2"]
    assert document.text.split("\n")[document.places[1][0]] == "```"


def test_prose_of_a_notebook_is_in_one_block_with_the_code_below():
    def cell(kind, *lines):
        return {"cell_type": kind, "source": [f"{line}\n" for line in lines]}

    filling = cell("markdown", f"It is {'about pumps ' * 48}. " * 2)
    cells = [filling, cell("markdown", "A leak is below 1.2 bar.", ""), cell("code", "limit = 1.2")]
    data = json.dumps({"cells": [*cells, *cells, cell("code", "other = 3")]}, indent=1).encode()
    found = [(p.text, p.block, p.place) for p in chunk(one(data, "a.ipynb"), "a.ipynb")]
    blocks = dict.fromkeys(block for text, block, _ in found if text == "A leak is below 1.2 bar.")
    assert len(blocks) == 2
    assert [block for text, block, _ in found if text == "limit = 1.2"] == [*blocks]
    assert [place for text, _, place in found if text == "limit = 1.2"] == ["cell 3", "cell 6"]


def test_messages_of_exports():
    telegram = {
        "name": "Group",
        "messages": [
            {"id": 1, "date": "2023-01-02T10:00:00", "from": "Anna", "text": "The code is 4711"},
            {
                "id": 2,
                "date": "2023-01-02T10:01:00",
                "from": "Bob",
                "text": ["see ", {"type": "link", "text": "x.org"}],
            },
        ],
    }
    document = one(json.dumps(telegram, indent=1).encode(), "result.json")
    assert document.kind == "chat"
    assert document.places[1] == (1, "Bob, 2023-01-02T10:01:00")
    assert document.text == "Anna: The code is 4711\nBob: see x.org"
    assert "4711" in json.dumps(telegram, indent=1).split("\n")[document.lines[0] - 1]
    slack = [{"type": "message", "user": "U1", "ts": "1672653600.0001", "text": "hello\nthere"}]
    document = one(json.dumps(slack).encode(), "2023-01-02.json")
    assert (document.text, document.places) == ("U1: hello\nthere", ((0, "U1, 2023-01-02T10:00:00"),))
    assert one(b'[{"date": "2023", "text": "no chat"}]', "a.json").kind == "code"
    many = {"chats": {"list": [telegram, {"name": "Other", "messages": telegram["messages"][:1]}]}}
    first, second = parse_bytes(json.dumps(many).encode(), "result.json")
    assert (first.name, second.name, second.text) == ("Group", "Other", "Anna: The code is 4711")
    (table,) = first.tables
    assert (table.kind, table.columns, table.lines) == ("chat", ("date", "from", "text"), (0, 1))
    assert table.rows[1] == ("2023-01-02T10:01:00", "Bob", "see x.org")
    answers = [{"text": "Monday", "voters": 2}, {"text": {"text": "Friday"}, "voters": 1}]
    poll = telegram["messages"][1] | {"text": "", "poll": {"question": "When?", "answers": answers}}
    document = one(json.dumps({"name": "Group", "messages": [poll]}, indent=1).encode(), "result.json")
    assert document.text == "Bob: When?\n- Monday: 2 votes\n- Friday: 1 vote"
    signal = [{"date": f"2024-03-12 18:0{n}", "sender": who, "body": "hi"} for n, who in enumerate("AB")]
    assert one("\n".join(map(json.dumps, signal)).encode(), "data.json").text == "A: hi\nB: hi"
    discord = {
        "channel": {"name": "general"},
        "messages": [
            {
                "timestamp": "2023-01-02T10:00:00+00:00",
                "content": "hi\nall",
                "author": {"name": "anna", "nickname": "Anna"},
            },
            {"timestamp": "2023-01-02T10:00:01+00:00", "content": "", "author": {"name": "bob"}},
        ],
    }
    document = one(json.dumps(discord).encode(), "general.json")
    assert (document.text, document.title) == ("Anna: hi\nall", "general")
    messenger = {
        "title": "caf\u00c3\u00a9",
        "messages": [
            {
                "sender_name": "Zo\u00c3\u00ab",
                "timestamp_ms": 1672653600000,
                "content": "tr\u00c3\u00a8s bien",
            },
            {"sender_name": "Bob", "timestamp_ms": 1672653600000, "photos": []},
        ],
    }
    document = one(json.dumps(messenger, indent=1).encode(), "message_1.json")
    assert (document.text, document.title, document.lines) == ("Zoë: très bien", "café", (7,))


@cases("cte", ["7bit", "quoted-printable", "base64"])
def test_mail_lines_are_those_of_the_file(cte):
    body = (
        "Pay by Friday, " + "x" * 80 + ".\n\nThanks,\nAnna\n" if cte != "7bit" else "Pay.\n\nThanks,\nAnna\n"
    )
    data = bytes(mail("A long\tsubject", body, cte))
    document = one(data, "a.eml")
    source = data.decode().split("\n")
    found = sourced(document)
    assert [line for _, line in found if line in body.split("\n")] == [
        line for line in body.split("\n") if line
    ]
    if cte != "base64":
        for number, line in found:
            assert source[number - 1][:12] == line[:12]
    assert document.title == "A long subject"


def test_a_mailbox_has_a_place_for_each_message():
    box = b"".join(
        b"From a@x Mon Jan  2 10:00:00 2023\n" + bytes(mail(s, f"Body {s}\n")) + b"\n" for s in "ABC"
    )
    for name, data in (("a.mbox", box), ("inbox", box), ("a.mbox", box.replace(b"\n", b"\r\n"))):
        document = one(data, name)
        assert [place for _, place in document.places] == ["A", "B", "C"]
        source = data.decode().split("\n")
        for number, line in sourced(document):
            assert source[number - 1].rstrip("\r") == line


def test_parts_of_a_mail():
    """Each text part is read once, HTML alone too; attachments are named."""
    document = one(attached(), "a.eml")
    assert document.notes == ("attachment bill.pdf of 'Invoice' is left out",)
    assert "Pay by Friday." in document.text.split("\n")
    html = EmailMessage()
    html.set_content("<p>The price\nis <b>12</b> euro</p>", subtype="html")
    assert "is 12 euro" in one(b"Subject: Offer\n" + bytes(html), "a.eml").text.split("\n")
    message = mail()
    message.add_alternative("<p>Pay by <b>Friday.</b></p>", subtype="html")
    message.make_mixed()
    footer = EmailMessage()
    footer.set_content("List of the house\n")
    message.attach(footer)
    forwarded = mail("Old", "What was said before\n")
    message.add_attachment(forwarded)
    data = bytes(message)
    document = one(data, "a.eml")
    source = data.decode().split("\n")
    for line in ("Pay by Friday.", "List of the house", "What was said before"):
        assert [source[n - 1] for n, found in sourced(document) if found == line] == [line]


def test_one_damaged_message_does_not_hide_the_others():
    begin = b"From a@x Mon Jan  2 10:00:00 2023\n"
    box = begin + bytes(mail("A")) + b"\n" + begin + b"X:\n\nno subject\n" + begin + bytes(mail("B"))
    assert [place for _, place in one(box, "a.mbox").places] == ["A", "message 2", "B"]
    with pytest.raises(DataError, match="damaged mail: message 1 is left out: no header"):
        parse_bytes(b"\n\nno header here", "a.mbox")


def test_a_mail_that_somebody_typed_is_read_as_text():
    typed = "De : Élodie\nObjet : Clôture\n\nLa pouliche a sauté la clôture.\n"
    document = one(typed.encode(), "a.eml")
    assert "La pouliche a sauté la clôture." in document.text.split("\n")
    assert document.notes == ("no header: read as text",)
    with pytest.raises(DataError):
        parse_bytes(b"\0\1\2\3" * 300, "a.eml")


def test_pages_of_a_pdf_are_places():
    document = one(SAMPLES["a.pdf"], "a.pdf")
    assert (document.text, document.places) == ("Hello world\nThird page", ((0, "page 1"), (1, "page 3")))


def test_words_of_a_pdf_are_whole():
    """Divided ones are joined; the hyphen stays where the text has the word with it, or both parts alone."""
    divided = ") Tj 0 -14 Td ("
    text = divided.join(
        ["A com-", "mand reads well-", "known and time-", "less read-", "only files, in UTF-", "8."]
    )
    lines = one(pdf(text, "well-known", "read only, read only"), "a.pdf").text.split("\n")
    assert lines[:5] == ["A command", "reads well-known", "and timeless", "read-only", "files, in UTF-8."]


def test_a_protected_pdf_says_so():
    from pypdf import PdfReader, PdfWriter

    writer, buffer = PdfWriter(clone_from=PdfReader(BytesIO(SAMPLES["a.pdf"]))), BytesIO()
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(buffer)
    assert reason(buffer.getvalue(), "a.pdf") == "protected by a password; save it without one"


@cases("name", ["a.docx", "a.odt"])
def test_office_documents_are_marked_as_markdown(name):
    lines = one(SAMPLES[name], name).text.split("\n")
    assert lines[0] == "## Boiler"
    assert {"- bleed", "a | b"} <= set(lines)
    if name == "a.odt":
        assert {"Pressure  1.5", "bar, never more."} <= set(lines)


def test_chapters_of_a_book_are_places():
    document = one(EPUB, "a.epub")
    assert document.title == "A Book"
    assert [place for _, place in document.places] == ["Two", "One"]
    lines = document.text.split("\n")
    assert [lines[first] for first, _ in document.places] == ["# Two", "# One"]


CHATS = [
    "[12/03/2023, 14:05:11] Anna: the key is\nunder the mat\n[12/03/2023, 14:06:02] Bob: thanks\n"
    "[12/03/2023, 14:07:00] Anna: bye\n",
    "12.03.23, 14:05 - Anna: the key is\nunder the mat\n"
    "12.03.23, 14:06 - Bob: thanks\n12.03.23, 14:07 - Anna: bye\n",
    "3/12/23, 2:05 PM - Anna: the key is\nunder the mat\n"
    "3/12/23, 2:06 PM - Bob: thanks\n3/12/23, 2:07 PM - Anna: bye\n",
    "[14:05] <Anna> the key is\nunder the mat\n[14:06] <Bob> thanks\n[14:07] <Anna> bye\n",
]
LOGS = [
    "2023-01-02 10:00:00,123 INFO start: ok\n2023-01-02 10:00:01,000 WARN disk: full\n  more\n"
    "2023-01-02T10:00:02Z x\n",
    "Jan  2 10:00:00 host sshd[1]: login\nJan  2 10:00:01 host cron: run\nJan  2 10:00:02 host a: b\n",
    "[2023-01-02 10:00:00] INFO: b\n[2023-01-02 10:00:01] INFO: c\n[2023-01-02 10:00:02] ERROR: d\n",
    "10:00:00 up\n10:00:05 down\n10:01:00 up\n",
]


@cases("text", CHATS)
def test_chats_are_told_by_their_lines(text):
    document = one(text.encode(), "export.txt")
    assert document.kind == "chat"
    assert [first for first, _ in document.places] == [0, 2, 3]
    assert [name.partition(",")[0] for _, name in document.places] == ["Anna", "Bob", "Anna"]


@cases("text", LOGS)
def test_logs_are_told_by_their_lines(text):
    assert one(text.encode(), "export.txt").kind == "log"


@cases(
    ("name", "text", "kind"),
    [
        ("a.rst", "Title\n=====\n", "markdown"),
        ("a.md", "10:00 x\n10:01 y\n10:02 z\n", "markdown"),
        ("a.rs", "fn main() {}\n", "code"),
        ("run", "#!/bin/sh\nls\n", "code"),
        ("Makefile", "a: b\n", "code"),
        ("a.log", "nothing\n", "log"),
        ("README", "Read me.\n", "prose"),
        ("a.unknown", "Words.\n", "prose"),
        ("a.txt", "Note: 10:00 is late\nand: more\nthus: x\n", "prose"),
        ("CMakeLists.txt", "set(A 1)\n", "code"),
    ],
)
def test_kinds(name, text, kind):
    assert one(text.encode(), name).kind == kind


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(MissingPackage, match=r"lior install readers"):
        parse_bytes(SAMPLES["a.pdf"], "a.pdf")


def test_html_marks_terms_headings_heads_of_tables_and_links_alone():
    page = b"""<title>T</title><dl><dt>auto<dd><p>Commits.</p><p>By
itself.</p><dt>begin<br>start<dd>Starts.<h3>In it</h3></dl><h2>On it\xc2\xb6</h2>
<p><b>How</b> <i>it</i>?<br><b>Why?</b></p><p><b>So</b> it is.</p>
<table><tr><th>name<th>phone</tr><tr><td>Ada<td>12</tr></table>
<ul><li><a href="x">Elsewhere,
far away</a></ul><p><a href="y">See</a> this.</p>"""
    document = one(page, "a.html")
    assert [line for line in document.text.split("\n") if line] == [
        "auto::",
        "    Commits.",
        "    By",
        "    itself.",
        "begin, start::",
        "    Starts.",
        "    In it",
        "## On it",
        "###### How it?, Why?",
        "So it is.",
        "name | phone",
        "--- | ---",
        "Ada | 12",
        "- Elsewhere,",
        "far away",
        "See this.",
    ]
    lines = document.text.split("\n")
    assert [lines[number] for number in document.wrapped] == ["    itself.", "far away"]
    assert [lines[number] for number in document.titles] == ["    In it", "- Elsewhere,", "far away"]


def test_a_manual_page_is_plain_text():
    page = ".TH FIND 1\n.SH NAME\nfind \\- search for files\n"
    document = one(page.encode(), "find.1")
    assert (document.text, document.kind) == (page, "prose")
