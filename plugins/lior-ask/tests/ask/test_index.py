"""Indexes: what changed is read, what is gone is forgotten without a trace, and damage is noticed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ask.content import same
from lior.errors import DataError, UsageError
from lior.reading import files as reading
from lior.reading.skipping import SkippedFile, SkipReason
from lior_ask import Index
from lior_ask.index import database, sqlite
from lior_ask.index.cache import cache_file
from lior_plugins.readers import text as text_reader
from tests.work import count_lines

BOILER = "# Boiler\n\nIt is serviced in October.\nTo reset it, hold the red button for five seconds.\n"
GARDEN = "# Garden\n\nWater the tomatoes in the morning. Cut the roses in March.\n"
SECRET = "The zanzibar codeword is xylophone-quagmire.\n"
TEXTS = {
    "boiler.md": BOILER,
    "garden.md": GARDEN,
    "secret.txt": SECRET,
    "empty.md": "-\n",
    "days.csv": "date,what\n2024-02-17,filters changed\n",
    "chat.txt": "a: b\n" * 9,
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def notes(tmp_path) -> Path:
    """A folder of three files, an hour old."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("boiler.md", "garden.md", "secret.txt"):
        put(folder / name, TEXTS[name])
    return folder


def put(path: Path, text: str, age: float = 3600) -> None:
    """Write a file whose time stamp is ``age`` seconds old."""
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))


def reads(monkeypatch) -> list[str]:
    """Names of the files that are read from now on."""
    seen: list[str] = []
    plain = Path.read_bytes

    def read(path: Path, **options: object) -> bytes:
        if "cache" not in path.parts:
            seen.append(path.name)
        return plain(path)

    monkeypatch.setattr(reading, "read_limited", read)
    return seen


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.sampled_from([n for n in TEXTS if n != "empty.md"]), st.booleans()), max_size=12)
)
def test_learned_and_forgotten_in_any_order_is_never_seen(steps):
    changed, present = Index(), set()
    for name, learn in steps:
        if learn:
            changed.learn(name, TEXTS[name])
            present.add(name)
        elif name in present:
            changed.forget(name)
            present.remove(name)
    fresh = Index()
    for name in sorted(present, reverse=True):
        fresh.learn(name, TEXTS[name])
    assert same(changed, fresh)
    assert changed.documents == sorted(present)


SAID = ("Where is the key?", "How loud is the furnace?", "key or furnace")
VERSIONS = {
    name: (TEXTS[name], f"The key is new.\n\n{TEXTS[name]}", "The key is new.\n")
    for name in ("boiler.md", "chat.txt")
}


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*VERSIONS]),
            st.one_of(
                st.sampled_from(["forget", 0, 1, 2]), st.tuples(st.integers(0, 9), st.sampled_from(SAID))
            ),
        ),
        max_size=14,
    )
)
def test_confirmed_and_taken_back_in_any_order_is_never_seen(steps):
    changed, texts, said = Index(retriever="settle"), dict[str, str](), set[tuple[str, str, str]]()
    for name, step in steps:
        if isinstance(step, int):
            texts[name] = VERSIONS[name][step]
            changed.learn(name, texts[name])
            has = {changed.passage(row).text for row in changed.inverted.rows(name)}
            said = {each for each in said if each[0] != name or each[1] in has}
        elif name in texts and step == "forget":
            changed.forget(name)
            del texts[name]
            said = {each for each in said if each[0] != name}
        elif name in texts:
            rows = changed.inverted.rows(name)
            passage = changed.passage(rows[step[0] % len(rows)])
            said ^= {(name, passage.text, step[1])}
            assert changed.confirm(step[1], passage) == ((name, passage.text, step[1]) in said)
    fresh = Index(retriever="settle")
    for name in sorted(texts, reverse=True):
        fresh.learn(name, texts[name])
    for name, text, question in sorted(said, reverse=True):
        passages = map(fresh.passage, reversed(fresh.inverted.rows(name)))
        fresh.confirm(question, next(p for p in passages if p.text == text))
    assert same(changed, fresh)


def test_what_was_confirmed_is_kept_and_goes_with_its_text(notes, cache):
    def traces() -> int:
        return sum(b"wobblegong" in file.read_bytes() for file in cache.rglob("*") if file.is_file())

    def hedged(index: Index) -> str:
        return index.ask("Where is the wobblegong?").passages[0][0].text

    index = Index(notes, retriever="settle")
    passage = index.ask("When are the roses cut?").passages[0][0]
    assert index.confirm("Where is the wobblegong?", passage)
    assert traces()
    again = Index(notes, retriever="settle")
    assert same(index, again)
    assert hedged(again) == passage.text
    put(notes / "garden.md", f"The hedge is high.\n\n{GARDEN}", age=60)
    assert hedged(Index(notes, retriever="settle")) == passage.text, "its text is as it was"
    put(notes / "garden.md", GARDEN.replace("March", "April"), age=50)
    changed = Index(notes, retriever="settle")
    assert traces() == 0
    assert same(changed, Index(notes, retriever="settle", cache=False))
    passage = changed.ask("When are the roses cut?").passages[0][0]
    changed.confirm("Where is the wobblegong?", passage)
    (notes / "garden.md").unlink()
    Index(notes)
    assert traces() == 0


def test_what_cannot_be_confirmed(notes):
    index = Index(notes, cache=False)
    passage = index.passage(0)
    for question, wrong, said in (
        ("what is it", passage, "no word to look for"),
        ("How long does it take?", passage, "only words that name nothing"),
        ("boiler", attrs.evolve(passage, text="gone"), "no such passage"),
        ("boiler", attrs.evolve(passage, document="gone.md"), "no document"),
    ):
        with pytest.raises(UsageError, match=said):
            index.confirm(question, wrong)
    assert same(index, Index(notes, cache=False))


def test_opened_again_is_the_same_and_reads_nothing(notes, monkeypatch):
    first = Index(notes)
    seen = reads(monkeypatch)
    again = Index(notes)
    assert (seen, again.notes) == ([], [])
    assert same(first, again)
    assert again.ask("How do I reset the boiler?") == first.ask("How do I reset the boiler?")


def test_only_what_changed_is_read(notes, monkeypatch):
    index = Index(notes)
    put(notes / "garden.md", GARDEN.replace("March", "April"), age=60)
    put(notes / "new.md", "The ladder is in the shed.\n")
    (notes / "secret.txt").unlink()
    seen = reads(monkeypatch)
    told = index.update()
    assert (told.learned, told.changed, told.forgotten) == (("new.md",), ("garden.md",), ("secret.txt",))
    assert sorted(seen) == ["garden.md", "new.md"]
    assert not index.update()
    assert len(seen) == 2
    assert index.documents == ["boiler.md", "garden.md", "new.md"]
    assert "April" in index.ask("When are the roses cut?").answer.text
    assert same(index, Index(notes, cache=False))


def test_new_time_stamp_and_old_content_is_no_change(notes):
    index = Index(notes)
    os.utime(notes / "garden.md")
    assert not index.update()


def test_change_within_the_same_instant_is_seen(notes):
    """A file as young as its index could change without a new time stamp."""
    put(notes / "garden.md", GARDEN, age=0)
    stamp = (notes / "garden.md").stat()
    index = Index(notes)
    (notes / "garden.md").write_text(GARDEN.replace("March", "April"))
    os.utime(notes / "garden.md", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert index.update().changed == ("garden.md",)


def test_unchanged_files_cost_little_each_and_are_not_opened(tmp_path, monkeypatch):
    def work(number: int) -> int:
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for note in range(number):
            put(folder / f"{note}.md", f"Note {note} is on subject {note % 7}.\n")
        Index(folder)
        with monkeypatch.context() as patched:
            patched.setattr("lior.reading.files.read_limited", None)
            return count_lines(lambda: Index(folder))

    assert work(120) - work(20) < 100 * 700


def test_nothing_of_a_forgotten_text_stays_on_the_disk(notes, cache):
    def traces() -> int:
        return sum(b"quagmire" in file.read_bytes() for file in cache.rglob("*") if file.is_file())

    Index(notes)
    assert traces()
    (notes / "secret.txt").unlink()
    Index(notes)
    assert traces() == 0
    index = Index(notes)
    index.learn("told.md", SECRET)
    assert traces()
    index.forget("told.md")
    assert traces() == 0
    assert same(index, Index(notes, cache=False))


def test_learned_texts_survive_an_update(notes):
    Index(notes).learn("told.md", "The ladder is in the shed.\n")
    index = Index(notes)
    assert not index.update()
    assert index.ask("Where is the ladder?").answer.document == "told.md"
    with pytest.raises(UsageError, match="is a file of this index"):
        index.forget("boiler.md")
    with pytest.raises(UsageError, match=r"told\.md"):
        index.forget("tol.md")


@pytest.mark.parametrize("how", ["cut", "other"])
def test_damaged_cache_is_noticed_and_made_anew(notes, how):
    sound = Index(notes)
    sound.inverted.database.close()
    place = cache_file(sound.paths)
    data = place.read_bytes()
    wrong = {"cut": data[: len(data) // 3], "other": b"PK" * 999}
    place.write_bytes(wrong[how])
    index = Index(notes)
    assert index.ask("When is the boiler serviced?").found
    assert [note for note in index.notes if "made anew" in note]
    assert same(index, Index(notes, cache=False))
    assert Index(notes).notes == []


def test_a_file_that_could_not_be_looked_at_again_is_left_as_it_is(notes, cache, monkeypatch):
    """A read that fails looks like damage; when the second look fails for want of room, nothing is known."""
    index = Index(notes)
    index.learn("dune.txt", "The keeper of the dune lantern is Gert.\n")
    index.content.database.close()
    faults = [sqlite3.DatabaseError("database disk image is malformed"), sqlite3.OperationalError("full")]
    checked = sqlite.SQLite._checked

    def fails(*given):
        if faults:
            raise faults.pop(0)
        return checked(*given)

    monkeypatch.setattr(sqlite.SQLite, "_checked", fails)
    again = Index(notes)
    assert "dune.txt" in again.documents
    assert any("cannot be kept" in note for note in again.notes)
    again.content.database.close()
    assert "dune.txt" in Index(notes).documents


def test_every_flipped_bit_is_noticed_and_a_damaged_seal_is_without_effect(notes):
    sound = Index(notes, retriever="settle")
    sound.ask("When is the boiler serviced?")
    sound.inverted.database.close()
    place, draw = cache_file(sound.paths), random.Random(0)
    for file, noticed in ((place, True), (place.with_name(f"{place.name}-seal"), False)):
        whole = {each: each.read_bytes() for each in place.parent.glob(f"{place.name}*")}
        for _ in range(5):
            broken = bytearray(whole[file])
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
            file.write_bytes(broken)
            index = Index(notes, retriever="settle")
            assert any("its checksum does not match" in note for note in index.notes) is noticed
            assert index.ask("When is the boiler serviced?").found
            index.inverted.database.close()
            for each, data in whole.items():
                each.write_bytes(data)


def test_index_of_another_version_is_made_anew(notes, monkeypatch):
    Index(notes)
    monkeypatch.setattr(sqlite, "version", lambda: 1)
    anew = Index(notes)
    assert "not an index of this version" in anew.notes[0]
    assert same(anew, Index(notes, cache=False))
    assert Index(notes).notes == []


def test_a_changed_byte_of_a_chunker_makes_another_version(tmp_path):
    package = Path(database.__file__).parents[1]
    for part in ("chunking", "index", "languages"):
        shutil.copytree(package / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    assert database.version(tmp_path) == database.version() < 2**31  # wherever it is installed
    found = {database.version()}
    for number, name in enumerate(("chunking/prose.py", "languages/words.py", "index/writing.py"), 2):
        source = tmp_path / name
        source.write_bytes(source.read_bytes()[:-1])
        database.version.cache_clear()
        found.add(database.version(tmp_path))
        assert len(found) == number


def test_a_changed_byte_of_a_reader_makes_another_version(tmp_path, monkeypatch):
    before, package = database.version(), tmp_path / "changed_readers"
    shutil.copytree(Path(text_reader.__file__).parent, package)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(database, "_READERS", (database._READERS[0], "changed_readers"))
    database.version.cache_clear()
    assert database.version() == before
    (package / "agenda.py").write_bytes((package / "agenda.py").read_bytes()[:-1])
    database.version.cache_clear()
    assert database.version() != before
    database.version.cache_clear()


@pytest.mark.parametrize("cause", ["unable to open", "locked"])
def test_cache_that_cannot_be_written_is_a_note(notes, monkeypatch, cause):
    monkeypatch.setattr(sqlite, "_WAIT", 0.01)
    place = cache_file((str(notes),))
    if cause == "locked":
        Index(notes)
        put(notes / "new.md", "The hedge is high.\n")
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        place.mkdir(parents=True)
    index = Index(notes)
    assert (
        f"cannot be kept for the next time ({'database is ' if cause == 'locked' else ''}{cause}"
        in index.notes[0]
    )
    assert index.ask("When is the boiler serviced?").found
    assert len(index.notes) == 1
    assert same(index, Index(notes, cache=False))
    if cause == "locked":
        other.execute("COMMIT")
        assert Index(notes).notes == []


def test_two_indexes_of_a_folder_see_what_the_other_wrote(notes):
    one, other = Index(notes), Index(notes)
    put(notes / "new.md", "The ladder is in the shed.\n")
    assert one.update().learned == ("new.md",)
    assert other.ask("Where is the ladder?").found
    assert not other.update()
    (notes / "new.md").unlink()
    other.update()
    assert not one.ask("Where is the ladder?").found
    assert same(one, other)


def test_file_that_changes_while_it_is_read(notes, monkeypatch):
    plain, times = reading.read_limited, {"left": 1}

    def read(path: Path, **options: object) -> bytes:
        data = plain(path, **options)
        if path.name == "garden.md" and times["left"]:
            times["left"] -= 1
            path.write_text(path.read_text() + "The hedge is cut in June.\n")
        return data

    monkeypatch.setattr(reading, "read_limited", read)
    assert "June" in Index(notes, cache=False).ask("When is the hedge cut?").answer.text
    times["left"] = 100
    skipped = Index(notes, cache=False).skipped
    assert skipped == [SkippedFile("garden.md", SkipReason.UNSTABLE)]


def test_bad_input_is_one_clear_line(tmp_path, notes):
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.png").write_bytes(b"\x89PNG\0\0\0")
    for path, said in (
        ("empty", "no file in there"),
        ("binary", "no text in there"),
        ("gone", "no such file"),
    ):
        with pytest.raises(DataError, match=said) as raised:
            Index(tmp_path / path)
        assert "\n" not in str(raised.value)
    index = Index(notes)
    for question, said in (
        ("what is the", "no word to look for"),
        ("", "no word"),
        ("a" * 1_000_000, "100,000"),
    ):
        with pytest.raises(UsageError, match=said) as raised:
            index.ask(question)
        assert len(str(raised.value)) < 300
    with pytest.raises(UsageError, match="at least 1"):
        index.ask("boiler", top=0)


def test_documents_of_json_lines_are_ranked_as_wholes(tmp_path):
    texts = ("Wings flutter. Air flows.", "Shock waves. Heat rises. Shock again.", "Nothing of it.")
    lines = [f'{{"_id": "d{n}", "title": "Report {n}", "text": "{text}"}}' for n, text in enumerate(texts)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    ranked = Index(tmp_path / "corpus.jsonl").asker.rank_documents("shock and heat", 10)
    assert [name for name, _ in ranked] == ["corpus.jsonl#d1"]
