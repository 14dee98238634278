"""The folders of mail programs: each message is found and read as mail, and nothing else of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lior.errors import DataError
from lior.reading.finding import find_files
from lior.reading.parsing import parse_bytes
from lior.reading.skipping import SkipReason
from tests.reading.samples import mail, one, sourced

BEGIN = b"From - Mon Jan  2 10:00:00 2023\n"


def subjects(folder: Path) -> dict[str, list[str]]:
    """The subjects of the messages in each file below a folder."""
    found = {}
    for source in find_files([folder])[0]:
        (document,) = parse_bytes(source.path.read_bytes(), source.path.name)
        (table,) = document.tables
        assert document.kind == table.kind == "mail"
        found[source.name] = [row[table.columns.index("subject")] for row in table.rows]
    return found


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_maildir_is_its_messages(tmp_path):
    """Those of its folders too, whose names begin with a dot, but none that is not yet whole."""
    signed = b"DKIM-Signature: v=1;\n\ta=rsa\nAuthentication-Results: ok\nContent-Language: en\n"
    for box in ("", ".Sent/"):
        for name in ("cur", "new", "tmp"):
            (tmp_path / f"{box}{name}").mkdir(parents=True)
        write(tmp_path / f"{box}cur/1700000000.M1P2.host.example,S=123:2,RS", bytes(mail("Read")))
        write(tmp_path / f"{box}new/1700000001.M2P3.mx.pl", signed + bytes(mail("New")))
        write(tmp_path / f"{box}tmp/1700000002.M3P4.host", bytes(mail("Half")))
        write(tmp_path / f"{box}dovecot-uidlist", b"3 V1700000000 N3\n1 :1700000000.M1P2.host\n")
    write(tmp_path / ".cache/cur/x", bytes(mail("Cache")))
    found = subjects(tmp_path)
    assert sorted(found) == sorted(
        f"{box}{name}"
        for box in ("", ".Sent/")
        for name in ("cur/1700000000.M1P2.host.example,S=123:2,RS", "new/1700000001.M2P3.mx.pl")
    )
    assert {name.partition("1")[0].split("/")[-2]: value for name, value in found.items()} == {
        "cur": ["Read"],
        "new": ["New"],
    }
    skipped = {each.name: each.reason for each in find_files([tmp_path])[1]}
    assert skipped == {
        ".cache": SkipReason.HIDDEN,
        ".Sent/dovecot-uidlist": SkipReason.GENERATED,
        ".Sent/tmp": SkipReason.GENERATED,
        "dovecot-uidlist": SkipReason.GENERATED,
        "tmp": SkipReason.GENERATED,
    }


def test_folders_of_thunderbird_are_mailboxes_without_deleted_messages(tmp_path):
    status = b"X-Mozilla-Status: %s\nX-Mozilla-Status2: 00800000\n"
    box = b"".join(
        begin + status % flags + bytes(mail(subject)) + b"\n"
        for begin, flags, subject in (
            (BEGIN, b"0001", "A"),
            (b"From \n", b"0009", "Gone"),
            (b"From \n", b"0000", "B"),
            (b"From - \n", b"1011", "C"),
        )
    )
    for name in ("Inbox", "Inbox.sbd/Club", "Inbox.sbd/Garden"):
        write(tmp_path / name, box.replace(b"\n", b"\r\n"))
        write(tmp_path / f"{name}.msf", b'// <!-- <mdb:mork:z v="1.4"/> -->\n< <(a=c)> >\n')
    write(tmp_path / "Empty.msf", b'// <!-- <mdb:mork:z v="1.4"/> -->\n')
    assert sorted(subjects(tmp_path)) == ["Inbox", "Inbox.sbd/Club", "Inbox.sbd/Garden"]
    assert all(found == ["A", "B", "C"] for found in subjects(tmp_path).values())
    document = one(box, "Inbox")
    assert document.notes == ("1 message left out: deleted, and not yet removed",)
    source = box.decode().split("\n")
    assert all(source[number - 1] == line for number, line in sourced(document))
    with pytest.raises(DataError, match=r"^1 message left out: deleted"):
        parse_bytes(BEGIN + status % b"0008" + bytes(mail("Gone")), "Trash")


def test_messages_of_apple_mail_end_before_their_properties(tmp_path):
    message = bytes(mail("Seal", "It is 40 mm wide.\n"))
    data = b"%d      \n" % len(message) + message + b"<?xml version='1.0'?>\n<plist><dict/></plist>\n"
    write(tmp_path / "INBOX.mbox/0A/Data/Messages/17.partial.emlx", data)
    assert list(subjects(tmp_path).values()) == [["Seal"]]
    document = one(data, "17.emlx")
    assert "plist" not in document.text
    source = data.decode().split("\n")
    assert all(source[number - 1] == line for number, line in sourced(document))
