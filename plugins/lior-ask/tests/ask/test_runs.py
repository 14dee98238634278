"""Questions to a run: exact after learning and forgetting, kept with the checkpoint, gone with it."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lior
from ask.content import same
from lior.errors import DataError, RunError, UsageError
from lior.reading.documents import RawDocument
from lior.runs import documents, files
from lior.runs import folder as runfolder
from lior.training.preparation import train
from lior_ask import Index
from lior_ask import runs as asking
from lior_ask.answer.serialise import answer_record
from tests.reading.samples import SAMPLES, pdf
from tests.work import finish

TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0")
HOUSE = "# House\n\nThe boiler is serviced in October.\nThe spare key is with Mr. Olsen.\n"
SECRET = "The launch of the great balloon is on the fourth of May."


@pytest.fixture(scope="module")
def trained(configure, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "trained"
    documents = [("notes/house.md", HOUSE), ("filler.txt", "Words and other words are here. " * 30)]
    train(configure(*TINY), path, documents=[RawDocument(name, text.encode()) for name, text in documents])
    return path


@pytest.fixture
def path(trained, tmp_path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="module")
def spare(trained, tmp_path_factory) -> Path:
    """A copy that is not saved to."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("spare") / "run"))


def kept(path):
    return sorted(path.glob(f"checkpoints/*/{asking.CACHE}"))


def traces(path, text):
    return [file for file in path.rglob("*") if file.is_file() and text in file.read_bytes()]


def test_the_answer_is_quoted_with_its_line(path):
    answer = lior.load(path).ask("When is the boiler serviced?", top=2)
    assert (answer.answer.document, answer.answer.line) == ("notes/house.md", 3)
    assert answer.answer.text == "The boiler is serviced in October."
    assert len(answer.passages) == 2
    with pytest.raises(UsageError, match="no word to look for"):
        lior.load(path).ask("and is it?")


MAILS = b"".join(
    b"From ada@example.org Mon Jan  2 2023\nSubject: %s\nFrom: Ada <ada@example.org>\n\n%s\n\n" % mail
    for mail in (
        (b"Cabin at the lake", b"The cabin is booked from Friday."),
        (b"Tyres", b"The winter tyres are in the shed."),
        (b"Cabin, again", b"Please bring the spare fuses."),
    )
)
ASKED = (
    "Where are the winter tyres?",
    "Who brings spare fuses?",
    "What did Anna note?",
    "What is x in the cell?",
    "What is the pressure of the boiler?",
    "When is the cabin booked?",
    "What is on the third page?",
    "In which row are 42 crates?",
    "How many mails are from Ada?",
    "Is there a zeppelin?",
)


def equal(run: lior.Run, folder: Path, *asked: str) -> bool:
    """Whether a run answers like its folder."""
    index = Index(folder, cache=False)
    told = [[answer_record(each.ask(question)) for question in asked] for each in (index, run)]
    return told[0] == told[1] and same(index, run.index)


@pytest.mark.slow
def test_a_run_answers_like_its_folder(configure, tmp_path, monkeypatch):
    """Each kind of file that there is a reader for, one that is cut into parts for calibration and scores."""
    monkeypatch.setenv("LIOR_EMBEDDER", "")  # what counts is what is there to be ranked
    notes, others = tmp_path / "notes", tmp_path / "others"
    rows = "".join(f"In row {n} there are {7 * n} crates.\n" for n in range(900))
    contents = {name: data for name, data in SAMPLES.items() if name not in ("a.png", "a.pdf")}  # OCR is slow
    contents |= {"inbox.mbox": MAILS, "rows.txt": rows.encode(), "latin.txt": "Das Öl.".encode("latin-1")}
    contents |= {
        "a.pdf": pdf("Hello world", "Third page"),
        "data": SAMPLES["a.html"],
        "packed.md.gz": gzip.compress(b"# Lamp\n\nThe lamp is broken."),
    }
    for folder in (notes, others):
        folder.mkdir()
    for name, data in contents.items():
        (notes / name).write_bytes(data)
    run = train(configure(*TINY, f"data.text=['{notes}']"), tmp_path / "run")
    assert len(run.checkpoint.corpus.names) > len({*run.checkpoint.corpus.names}), "a document is in parts"
    assert equal(run, notes, *ASKED)
    for passage in map(run.index.passage, range(len(run.index))):
        [document] = run.edited.raw(passage.document)
        line = documents.as_in_file(document).decode().split("\n")[passage.line - 1]
        assert not document.structure or passage.text.split("\n")[0] in line, "shown where it stands"
    assert documents.texts_of(tmp_path / "run", "inbox.mbox") == [
        *map(documents.as_in_file, run.edited.raw("inbox.mbox"))
    ]
    (others / "more.html").write_bytes(SAMPLES["a.html"])
    run.learn(others)
    assert not equal(run, notes)
    run.forget("more.html")
    run.save()
    assert equal(lior.load(tmp_path / "run"), notes)
    (notes / "inbox.mbox").write_bytes(MAILS[MAILS.index(b"From", 5) :])
    (notes / "a.html").write_bytes(b"<!-- moved -->\n\n" + SAMPLES["a.html"])  # the same text at other lines
    (notes / "a.ipynb").unlink()
    done = run.sync()
    assert (done.changed, done.forgotten) == (("inbox.mbox",), ("a.ipynb",))
    assert equal(run, notes, *ASKED[:3])
    assert same(asking.open_index(tmp_path / "run"), Index(notes, cache=False))


NAMES = ["a.md", "b.txt", "c.html", "d.csv", "e.pdf"]
TEXTS = [
    SECRET,
    "<p>The lamp</p> is in the <b>attic</b>.",
    "name,phone\nAda,5",
    "# One\n\nThe tent is green.",
    "\0\1\2\3",
]


@settings(max_examples=12)
@given(steps=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=8))
def test_learning_and_forgetting_in_any_order_is_never_having_seen(spare, steps):
    run = lior.load(spare)
    run.index  # noqa: B018
    held: set[str] = set()
    for name, text in steps:
        if name in held:
            run.forget(name)
        else:
            run.learn({name: text})
        held ^= {name}
    assert same(run.index, asking.build(documents.of_checkpoint(run.checkpoint)))


def test_the_index_is_kept_with_its_checkpoint_and_goes_with_it(path):
    run = lior.load(path)
    run.learn({"plan.md": SECRET})
    run.index  # noqa: B018
    assert kept(path) == [], "what is not saved is not kept"
    run.save()
    [file] = kept(path)
    assert file.parent == runfolder.list_checkpoints(path)[0]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file in traces(path, SECRET.encode())
    again = lior.load(path)
    assert same(again.index, run.index)
    again.forget("plan.md")
    again.save()
    assert traces(path, b"balloon") == []
    assert same(asking.open_index(path), asking.build(documents.of_checkpoint(lior.load(path).checkpoint)))


def test_forgetting_leaves_nothing_though_the_index_was_never_opened(path):
    run = lior.load(path)
    run.learn({"plan.md": SECRET})
    run.save()
    asking.open_index(path)
    assert len(kept(path)) == 1
    other = lior.load(path)
    other.forget("plan.md")
    other.save()
    assert traces(path, b"balloon") == []


def confirmed(run: Path) -> list[str]:
    rows = asking.open_index(run).inverted.database.rows("SELECT question FROM questions ORDER BY question")
    return [question for (question,) in rows]


def test_what_was_confirmed_stays_with_the_run_until_its_document_is_forgotten(path):
    run = lior.load(path)
    key = run.ask("Who has the spare key?").answer
    run.learn({"plan.md": SECRET})
    assert run.confirm("Heating closet?", key), "not saved yet"
    run.save()
    run.confirm("Zeppelin?", run.ask("When is the launch of the balloon?").answer)
    assert confirmed(path) == ["heating closet?", "zeppelin?"], "kept at once"
    for change in (lambda run: run.learn({"b.md": "A tent."}), lambda run: run.forget("b.md")):
        run = lior.load(path)
        change(run)
        run.save()
        assert confirmed(path) == ["heating closet?", "zeppelin?"]
    run.forget("plan.md")
    run.save()
    assert traces(path, b"zeppelin") == traces(path, b"balloon") == []
    with files.lock(path / runfolder.LOCK), pytest.raises(RunError, match="another process"):
        run.confirm("Heating closet?", key)
    assert not run.confirm("Heating closet?", key), "after the refusal it still counted"
    assert confirmed(path) == []


def test_a_kept_index_is_used_and_a_damaged_one_made_anew(path, monkeypatch):
    asking.open_index(path)
    [file] = kept(path)
    whole = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(asking, "build", lambda *_, **__: pytest.fail("made anew"))
        assert asking.open_index(path).ask("When is the boiler serviced?").found
        assert lior.load(path).ask("When is the boiler serviced?").found
    for damage in (b"", whole[:-5000], b"x" + whole[1:], whole[:4096] + b"x" * 9000 + whole[13096:]):
        file.write_bytes(damage)
        assert asking.open_index(path).ask("When is the boiler serviced?").found
        assert file.read_bytes() == whole


def test_the_index_of_another_checkpoint_is_not_used(path):
    asking.open_index(path)
    [old] = kept(path)
    data = old.read_bytes()
    run = lior.load(path)
    run.learn({"plan.md": SECRET})
    run.save()
    [new] = (place / asking.CACHE for place in runfolder.list_checkpoints(path)[:1])
    new.write_bytes(data)
    assert asking.open_index(path).ask("When is the launch of the balloon?").found


def test_nothing_is_kept_while_another_process_changes_the_run(path):
    with files.lock(path / runfolder.LOCK):
        assert asking.open_index(path).ask("When is the boiler serviced?").found
    assert kept(path) == []
    assert asking.open_index(path, cache=False).ask("When is the boiler serviced?").found
    assert kept(path) == []


def test_asking_does_not_make_a_run_the_newest(path, tmp_path):
    from lior.runs.directory import newest

    later = shutil.copytree(path, tmp_path / "later")
    for place in runfolder.list_checkpoints(later):
        (place / "manifest.json").touch()
    asking.open_index(path)
    assert newest([tmp_path]) == later


def test_a_damaged_text_is_refused(path):
    text = next(path.glob("checkpoints/*/text.safetensors"))
    text.write_bytes(text.read_bytes()[:-1] + b"\1")
    with pytest.raises(RunError, match="changed since it was written"):
        asking.open_index(path)


def test_documents_of_one_name_packed_names_and_what_is_no_text():
    texts = {
        "same.md": [b"The tent is green.", b"The boat is blue."],
        "log.txt.gz": [b"The pump stopped at noon."],  # a run holds it unpacked
        "old.pdf": [b"The lamp is in the attic."],
        "film.bin": [b"\0\1\2" * 99],
        "blank.txt": [b" \n"],
    }
    index = asking.build({name: [RawDocument(name, data) for data in each] for name, each in texts.items()})
    assert index.documents == ["log.txt.gz", "old.pdf", "same.md", "same.md'"]
    assert index.ask("Which colour has the boat?").passages[0][0].text == "The boat is blue."
    assert index.ask("When did the pump stop?").found
    assert {each.name for each in index.skipped} == {"film.bin", "blank.txt"}
    index.forget("same.md")
    assert index.documents == ["log.txt.gz", "old.pdf"]


def test_the_ends_of_documents_that_stand_apart_are_joined():
    texts = [b"The tent ", b"The boat is blue.", b"is ", b"green."]
    parts = [(2, 0), (3, 2)]  # an end went to calibration, and another one to validation
    found = documents.by_name(["a", "b", "a", "a"], texts.__getitem__, [b"1", b"", b"", b""], parts)
    assert found == {
        "a": [RawDocument("a", b"The tent is green.", b"1")],
        "b": [RawDocument("b", b"The boat is blue.")],
    }


def test_a_run_without_text_says_so(configure, tmp_path):
    train(configure(*TINY), tmp_path / "run", documents=[RawDocument("a", bytes(range(256)) * 9)])
    with pytest.raises(DataError, match="no text that can be asked"):
        asking.open_index(tmp_path / "run")


def test_asking_a_run_needs_no_torch(path):
    """Neither the first time nor with the index that is kept."""
    code = (
        "import sys; from lior_cli.main import main\n"
        "codes = [main(sys.argv[1:]) for _ in range(2)]; sys.exit(any(codes) or 'torch' in sys.modules)"
    )
    done = finish(code, "ask", str(path), "When is the boiler serviced?")
    assert done.count("> The boiler is serviced in October.\n") == 2


def test_a_stream_is_the_completion_piece_by_piece(path, monkeypatch):
    run = lior.load(path)
    pieces = list(run.stream("Words and", 12, temperature=0))
    assert len(pieces) == 12
    assert "".join(pieces) == run.complete("Words and", 12, temperature=0)
    with pytest.raises(UsageError, match="tokens = -1"):
        run.stream("a", -1)
    monkeypatch.setattr("lior.runs.run.generate", lambda *_, **__: iter("aö".encode() + b"\xc3"))
    assert list(run.stream("x")) == ["a", "ö", "\N{REPLACEMENT CHARACTER}"], (
        "whole characters; half a one at the end"
    )


def test_lists_are_completed_and_scored_one_by_one(path):
    run, texts = lior.load(path), ["Words and other", b"The boiler", "", "qx"]
    assert run.complete(texts, 5, seed=3) == [run.complete(text, 5, seed=3) for text in texts]
    assert run.score(texts) == pytest.approx([run.score(text) for text in texts], rel=1e-12)
    assert run.score(texts)[2] == 0
    assert run.score([]) == []
    assert run.complete([], 5) == []
    for call in (run.score, run.complete):
        with pytest.raises(UsageError, match=r"(text|prompt) 2 is of type int"):
            call(["a", 5])
        with pytest.raises(UsageError, match="is of type int"):
            call(5)
