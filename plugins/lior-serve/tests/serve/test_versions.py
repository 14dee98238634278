"""One writer and many readers: each sees one version, whole; what was acknowledged is on the disk."""

from __future__ import annotations

import json
import threading

import pytest
from ask.content import same
from ask.vectors import Fake

import lior
from lior.errors import DataError, RunError
from lior.reading.documents import RawDocument
from lior.runs import documents
from lior_ask import runs as asking
from lior_serve.run import NOTE, RunSource
from serve.servers import PLAN, TEXTS


@pytest.fixture
def resident(copied):
    found = RunSource(copied, editable=True)
    yield found
    assert found.close(10)


def document(name, text):
    return RawDocument(name, text.encode())


FACT = "The key of the observatory hangs behind the blue clock."
QUESTION = "Where does the key of the observatory hang?"


def knows(run):
    """Whether a run, or a version of one, quotes the fact."""
    quoted = run.index.ask(QUESTION).answer
    return quoted is not None and quoted.text == FACT


def test_learning_makes_the_next_version_and_leaves_the_former(resident):
    before = resident.current
    resident.learn([document("key.txt", FACT)]).result(20)
    after = resident.current
    assert after.number == before.number + 1
    assert not knows(before)
    assert knows(after)
    assert {d.name for d in before.documents} == set(TEXTS)
    assert before.run.complete("The key of the observatory", 20, temperature=0) not in FACT
    assert after.run.complete("The key of the observatory", 6, temperature=0) == " hangs"


def test_what_was_confirmed_is_on_the_disk_and_taken_back(resident):
    question = "When is the overhaul?"
    passage = resident.current.ask("When is the boiler serviced?", 1).answer
    assert not resident.confirm(question, passage, False)
    assert resident.confirm(question, passage, True)
    assert not resident.confirm(question, passage, True)
    for run in (resident.current.run, lior.load(resident.path)):
        assert run.index.ask(question).answer == passage
    assert resident.confirm(question, passage, False)
    assert not lior.load(resident.path).index.ask(question).found


def test_what_was_acknowledged_is_on_the_disk(resident):
    resident.learn([document("key.txt", FACT)]).result(20)
    assert knows(lior.load(resident.path))
    resident.forget("key.txt").result(20)
    found = lior.load(resident.path)
    assert "key.txt" not in {d.name for d in found.documents()}
    assert not any(b"observatory" in path.read_bytes() for path in resident.path.rglob("*") if path.is_file())


def test_the_content_is_that_of_a_fresh_build(resident):
    resident.learn([document("key.txt", FACT)]).result(20)
    resident.learn(
        [document("b.txt", "Birds sing at dawn."), document("c.txt", "Cats sleep at noon.")]
    ).result(20)
    resident.forget("b.txt").result(20)
    resident.learn([document("plan.txt", PLAN.upper())], replace=True).result(20)
    version = resident.current
    assert same(version.index, asking.build(documents.of_checkpoint(version.run.checkpoint)))
    other = lior.load(resident.path)
    text = f"{FACT} Cats sleep at noon. {PLAN}"
    assert other.score(text) == version.run.score(text)


def test_readers_see_the_old_or_the_new_version_never_half(resident):
    faults, over = [], threading.Event()

    def read():
        while not over.is_set():
            version = resident.current
            names = {d.name for d in version.documents}
            pair = {"one.txt", "two.txt"} & names
            found = {p.document for p, _ in version.index.ask("pears plums cellar", 9).passages}
            if len(pair) == 1 or {"one.txt", "two.txt"} & found != pair:
                faults.append((pair, found))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    pair = [document("one.txt", "Pears are in the cellar."), document("two.txt", "Plums are in the cellar.")]
    resident.learn(pair).result(20)
    for gone in [resident.forget("one.txt"), resident.forget("two.txt")]:  # saved together
        gone.result(20)
    over.set()
    for reader in readers:
        reader.join()
    assert all(len(pair) == 1 for pair, _ in faults)  # only between two changes that were asked for apart
    assert all({"one.txt", "two.txt"} & found == pair for pair, found in faults)


def test_a_change_that_is_refused_changes_nothing(resident):
    before = resident.current
    with pytest.raises(DataError, match="already"):
        resident.learn([document("plan.txt", "other")]).result(20)
    with pytest.raises(DataError, match="no document"):
        resident.forget("house").result(20)  # the end of a name is for people
    with pytest.raises(DataError, match="one name"):
        resident.learn([document("x", "1"), document("x", "2")]).result(20)
    assert [d.name for d in resident.current.documents] == [d.name for d in before.documents]


def test_one_refused_change_does_not_stop_the_others(resident):
    futures = [resident.learn([document(name, FACT)]) for name in ("a.txt", "plan.txt", "b.txt")]
    assert futures[0].result(20)[0].name == "a.txt"
    assert futures[2].result(20)[0].name == "b.txt"
    with pytest.raises(DataError):
        futures[1].result(20)


def test_a_run_that_cannot_be_saved_stays_as_it_was(resident, monkeypatch):
    monkeypatch.setattr(lior.Run, "save", lambda self, **_: (_ for _ in ()).throw(RunError("disk full")))
    with pytest.raises(RunError, match="disk full"):
        resident.learn([document("key.txt", FACT)]).result(20)
    assert not knows(resident.current)
    monkeypatch.undo()
    resident.learn([document("key.txt", FACT)]).result(20)
    assert knows(resident.current)


def test_what_another_process_learns_is_seen(resident, monkeypatch):
    other = lior.load(resident.path)
    other.learn({"key.txt": FACT})
    other.save()
    resident.learn([document("b.txt", "Birds sing at dawn.")]).result(20)
    assert {"key.txt", "b.txt"} < {d.name for d in resident.current.documents}


def test_what_was_being_learned_is_told_at_the_next_start(copied):
    (copied / NOTE).write_text(
        json.dumps({"learn": ["lost.txt", "plan.txt"], "forget": ["house.md", "gone.txt"]})
    )
    resident = RunSource(copied)
    assert resident.lost == ("learn: lost.txt", "forget: house.md")
    resident.close(60)
    assert not (copied / NOTE).exists()
    again = RunSource(copied)
    assert again.lost == ()
    again.close(60)


def test_sync_is_of_the_folders_given(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.txt").write_text(f"Note {i}: the meeting is in room {i}.\n" * 9)
    lior.train(str(folder), out=tmp_path / "run", memory="sdm", fit={"passes": 0}, geometry={"updates": 2})
    resident = RunSource(tmp_path / "run", editable=True, folders=(folder,))
    (folder / "key.txt").write_text(FACT)
    assert resident.sync().result(20).learned == ("key.txt",)
    assert knows(resident.current)
    resident.close(60)


def test_former_versions_go(resident):
    import gc
    import weakref

    gc.disable()  # it comes seldom in a server
    try:
        former = [weakref.ref(resident.current.index)]
        for number in range(2):
            resident.learn([document(f"{number}.txt", FACT)]).result(20)
            former.append(weakref.ref(resident.current.index))
        resident.forget("0.txt").result(20)
        assert [each() for each in former] == [None] * 3
    finally:
        gc.enable()


def test_an_edit_encodes_nothing_before_its_reply_and_keeps_the_vectors_of_other_texts(copied, monkeypatch):
    monkeypatch.setenv("LIOR_EMBEDDER", "ask.vectors:Fake")
    monkeypatch.setattr(Fake, "read", [])
    resident = RunSource(copied, editable=True)
    try:
        resident.current.ask(QUESTION, 1)
        known = {*Fake.read}
        Fake.read.clear()
        for number in range(3):
            resident.learn([document(f"key{number}.txt", FACT[:-1] + f" {number}.")]).result(20)
        resident.forget("key0.txt").result(20)
        assert not Fake.read
        resident.current.ask(QUESTION, 1)
        assert any("clock 2." in text for text in Fake.read)
        assert not {*Fake.read} & (known - {QUESTION}), "what was read stays read"
        assert not any("clock 0." in text for text in Fake.read)
    finally:
        assert resident.close(10)
