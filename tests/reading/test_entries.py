"""One odd entry of a file is left out and named, and the others are read."""

from __future__ import annotations

import errno
import json
from io import BytesIO
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import DataError, MissingPackage
from lior.interfaces import ParsedDocument
from lior.reading.parsing import parse_bytes
from lior.reading.skipping import LIMITED, SkipReason, UnreadableFile
from lior_plugins.readers import agenda, chats, mail, ods, sheet_rows
from lior_plugins.readers import json as json_reader
from lior_plugins.readers.entries import read_entries
from tests.cases import cases
from tests.reading.samples import EPUB, SAMPLES, attached, one, zipped
from tests.reading.samples import mail as mail_of

DEFECTS = (
    ValueError("odd"),
    KeyError("x\n\x1b[2J"),
    RecursionError(),
    AssertionError(),
    DataError("no header"),
    MissingPackage("PDF needs a package"),
    UnreadableFile(SkipReason.NO_TEXT),
    OSError(errno.EINVAL, "x"),
)


def failing(entry):
    if isinstance(entry, BaseException):
        raise entry
    return entry


@given(
    st.lists(st.tuples(st.text(max_size=300), st.one_of(st.integers(), st.sampled_from(DEFECTS)))),
    st.integers(0, 30),
)
def test_entries_that_fail_are_left_out_and_named(entries, more):
    entries += [(f"row {number}", ValueError(str(number))) for number in range(more)]
    notes = ["before"]
    assert [*read_entries(entries, failing, notes)] == [each for _, each in entries if isinstance(each, int)]
    bad = [place for place, each in entries if not isinstance(each, int)]
    assert len(notes) == 1 + min(len(bad), 20) + (len(bad) > 20)
    assert all(note.isprintable() and len(note) < 500 for note in notes)
    assert all(" is left out: " in note for note in notes[1:21])
    if len(bad) > 20:
        assert notes[-1] == f"{len(bad) - 20} more are left out"


def chained(cause: BaseException) -> Exception:
    error = DataError("damaged")
    error.__cause__ = cause
    return error


@cases(
    "error",
    [
        MemoryError(),
        chained(MemoryError()),
        OSError(errno.ENOMEM, "x"),
        KeyboardInterrupt(),
        SystemExit(1),
        *map(UnreadableFile, sorted(LIMITED)),
    ],
)
def test_what_ends_the_whole_file_is_raised(error):
    notes = list[str]()

    def entries():
        yield "row 1", 1
        raise error

    for rows in ([("row 1", 1), ("row 2", error)], entries()):
        with pytest.raises(type(error)):
            list(read_entries(rows, failing, notes, whole="sheet"))
    assert notes == []


def test_where_the_entries_end_too_early_what_was_read_is_kept():
    def entries(count):
        yield from ((f"row {number}", number) for number in range(count))
        raise ValueError("the end")

    notes = list[str]()
    assert [*read_entries(entries(3), failing, notes)] == [0, 1, 2]
    assert [*read_entries(entries(0), failing, notes, whole="sheet A")] == []
    assert notes == [
        f"{where} is left out: damaged (ValueError: the end)" for where in ("what follows row 2", "sheet A")
    ]
    with pytest.raises(ValueError, match="the end"):
        list(read_entries(entries(0), failing, notes))


# --- readers ---

SLACK = [
    {"type": "message", "user": name, "ts": f"171000000{n}.01", "text": f"pump {n} hums"}
    for n, name in enumerate(("anna", "bob", "cora", "dan", "eve"))
]


def words(documents: list[ParsedDocument]) -> str:
    return "\n".join(f"{each.title}\n{each.text}" for each in documents)


MAILBOX = 2 * (b"From a@x Mon Jan  2 10:00:00 2023\n" + bytes(mail_of("A")) + b"\n")


@pytest.mark.parametrize(
    ("module", "function", "name", "data", "place"),
    [
        (agenda, "_event", "a.ics", SAMPLES["a.ics"], "event in line"),
        (agenda, "_contact", "a.vcf", SAMPLES["a.vcf"], "contact in line 1 "),
        (mail, "_entry", "a.mbox", MAILBOX, "message 1 "),
        (mail, "_text", "a.eml", attached(), "text 1 of 'Invoice' "),
        (chats, "_message", "a.json", json.dumps(SLACK).encode(), "message 1 "),
        (json_reader, "_cell", "a.ipynb", SAMPLES["a.ipynb"], "cell 1 "),
        (ods, "_row", "a.ods", SAMPLES["a.ods"], ", row "),
        (sheet_rows.Sheet, "add", "a.xlsx", SAMPLES["a.xlsx"], "sheet Expenses "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_defect_on_one_entry_costs_that_entry(monkeypatch, module, function, name, data, place):
    whole, before = words(parse_bytes(data, name)), getattr(module, function)
    failed = list[object]()

    def once(*args):
        if not failed:
            failed.append(args)
            raise UnboundLocalError("last")
        return before(*args)

    monkeypatch.setattr(module, function, once)
    documents = parse_bytes(data, name)
    (note,) = [note for note in documents[0].notes if "UnboundLocalError: last" in note]
    assert place in note
    assert 0 < len(words(documents)) < len(whole)


def calendar(*properties: str) -> bytes:
    events = "".join(f"BEGIN:VEVENT\nSUMMARY:{each}\nEND:VEVENT\n" for each in properties)
    return f"BEGIN:VCALENDAR\n{events}END:VCALENDAR\n".encode()


@cases(
    ("odd", "said"),
    [
        ("a\nDTSTART:99991231T235900\nDURATION:P1D", "a, 9999-12-31 23:59"),
        ("a\nDTSTART;VALUE=DATE:99991231\nDURATION:P9999W", "a, 9999-12-31"),
        ("a\nDTSTART;VALUE=DATE:00010101\nDTEND;VALUE=DATE:00010102", "a, 0001-01-01"),
        ("a\nDTSTART:00000000", "a, 00000000"),
        ("a\nDTSTART:20240101T100000\nDURATION:-PT5M", "a, 2024-01-01 10:00"),
        ("a\nDTSTART:08000101T100000\nDURATION:+PT5M", "a, 0800-01-01 10:00 to 10:05"),
        (
            "a\nRRULE:FREQ=DAILY;COUNT=-1;UNTIL=99999999T999999Z;BYDAY=;INTERVAL=0",
            "a, every 0 days, -1 times",
        ),
        ("a\nBEGIN:VALARM\nEND:VEVENT\nX:\nEND:VALARM", "a"),
        ("a\nEND:VTODO\nEND:X\nEND:VCALENDAR\nSUMMARY:b", "a"),
        ("a\nBEGIN:VEVENT", "a"),
        ("a\0\0\x01\xff", "a\ufffd\ufffd\x01ÿ"),
    ],
)
def test_an_odd_event_leaves_the_others(odd, said):
    document = one(calendar("first", odd, *("last €",) * 9), "a.ics")
    assert document.text.split("\n")[1:4:2] == ["first", "last €"]
    assert document.text.split("\n")[2].startswith(said)


@cases("code", ["9" * 100_000, "0" * 100_000 + "65", "x" + "f" * 100_000, "-1", "1" * 10])
def test_a_page_with_an_odd_character_reference_is_read(code):
    document = one(
        f"<p>before</p>\n<p title='&#{code};'>a&#{code};b</p>\n<p>behind &#65;</p>".encode(), "a.html"
    )
    assert document.text.startswith("before\n")
    assert document.text.rstrip().endswith("\nbehind A")


def test_an_odd_byte_leaves_the_other_lines_as_they_are():
    page = b"".join(b"<p>%d \xe2\x82\xac</p>\n" % n for n in range(5, 14)) + b"<p>\xff\0\xfe</p>\n"
    document = one(page, "a.html")
    assert document.text.split("\n")[0] == "5 €"
    assert one(b"\xff\xfe5 \xe2\x82\xac a\n5 \xe2\x82\xac\n", "a.txt").text.endswith("5 € a\n5 €\n")
    with pytest.raises(DataError, match="null bytes"):
        parse_bytes(b"\0a\n" * 2 + b"b\n", "a.html")


def test_an_odd_message_leaves_the_others():
    for change in ({"ts": "9999999999999"}, {"ts": 10**40, "text": {"a": 1}}, {"ts": None}, {"text": "\0"}):
        rows = [*SLACK[:2], {**SLACK[2], **change}, *SLACK[3:]]
        document = one(json.dumps(rows).encode(), "a.json")
        assert document.kind == "chat"
        assert {f"{row['user']}: {row['text']}" for row in (*SLACK[:2], *SLACK[3:])} <= {
            *document.text.split("\n")
        }
    huge = json.dumps(SLACK).replace('"1710000002.01"', "9" * 5000).encode()
    assert one(huge, "a.json").kind == "chat"
    document = one(json.dumps([*SLACK, 7]).encode(), "a.json")
    assert document.notes == ("message 6 is left out: no object with a time",)
    assert one(json.dumps([SLACK[0], 7]).encode(), "a.json").kind == "code"


@cases("charset", ["undefined", "idna", "hex", "x\0y", "\"'", "rot13", "utf-8" * 99])
def test_a_mail_with_an_odd_charset_is_read(charset):
    data = f'From: a@x.org\nSubject: s\nContent-Type: text/plain; charset="{charset}"\n\nThe pump hums.\n'
    assert "The pump hums." in one(data.encode(), "a.eml").text


def changed(data: bytes, **parts: str) -> bytes:
    """The archive with other parts, or without those that are empty; ``__`` in a name stands for a slash."""
    with ZipFile(BytesIO(data)) as archive:
        kept = {name.replace("/", "__"): archive.read(name) for name in archive.namelist()}
    return zipped(**{name: text for name, text in (kept | parts).items() if text})


@cases(
    ("row", "note"),
    [
        ("", "sheet Expenses is left out: damaged ("),
        ('<c t="s"><v>700</v></c>', "sheet Expenses is left out: damaged (CalamineError: Cell string index"),
        ('<c r="&#0;"><v>5</v></c>', "sheet Expenses is left out: damaged ("),
        (
            '<c r="XFD1"/><c r="A9999999"/>',
            "xl/worksheets/sheet1.xml is left out: its cells are too far apart",
        ),
    ],
)
def test_an_odd_sheet_leaves_the_other_sheets(row, note):
    part = row and f"<worksheet><sheetData><row>{row}</row></sheetData></worksheet>"
    document = one(changed(SAMPLES["a.xlsx"], **{"xl__worksheets__sheet1.xml": part}), "a.xlsx")
    assert document.text == "name | born\nBiscuit | 2019\nRex | 0.3"
    assert document.notes[0].startswith(note)


def test_a_missing_chapter_leaves_the_others():
    document = one(EPUB.replace(b"O/2.xhtml", b"O/9.xhtml"), "a.epub")
    assert [place for _, place in document.places] == ["One"]
    assert document.notes[0].startswith("chapter O/2.xhtml is left out: damaged (KeyError:")


def test_what_is_damaged_in_a_long_text_leaves_what_stands_before():
    xml = '<w:document xmlns:w="urn:w"><w:p><w:r><w:t>before</w:t></w:r></w:p><w:p><w:r>&</w:r></w:p>'
    document = one(zipped(word__document__xml=b"", **{"word__document.xml": xml}), "a.docx")
    assert document.text.strip() == "before"
    assert document.notes[0].startswith("what follows block 1 is left out: damaged (ParseError:")


def test_the_contact_behind_one_without_end_is_read():
    lines = (
        "BEGIN:VCARD",
        "FN:Anna",
        "NOTE;ENCODING=QUOTED-PRINTABLE:a=",
        "END:VCARD",
        "BEGIN:VCARD",
        "FN:Bob",
        "PHOTO;ENCODING=b:!!!",
        "",
    )
    assert one("\n".join(lines).encode(), "a.vcf").text.split("\n")[1:] == ["Anna, a", "Bob"]
