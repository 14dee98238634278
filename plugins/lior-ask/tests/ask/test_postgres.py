"""An index in PostgreSQL answers as one in SQLite, for all processes at once, and loses no change."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from postgres import server

from lior.errors import DataError, IndexUnavailable, UsageError
from lior_ask.answer.serialise import answer_record
from lior_ask.api import Index
from lior_ask.index import postgres

TEXTS = {
    "garden.md": "# Tomatoes\n\nWater the tomatoes in the morning.\n\n# Roses\n\nCut the roses in March.\n",
    "house.md": "# House\n\nThe boiler is serviced in October. The key hangs behind the clock.\n",
    "Größe.txt": "Die Größe des Gartens ist 400 Quadratmeter.\n\nÄpfel reifen im Herbst.\n",
    "rooms.csv": "room,seats\nhall,200\nlibrary,40\nattic,6\n",
    "plan.txt": "".join(f"Meeting {n} is in room {n + 20} on day {n}.\n" for n in range(40)),
}
QUESTIONS = (
    "When is the boiler serviced?",
    "When are the tomatos watered?",
    "Wie groß ist der Garten?",
    "How many seats does the library have?",
    "Where is meeting 7?",
    "Who painted the ceiling?",
)
_schemas = count()


@pytest.fixture(scope="module")
def database():
    with server() as found:
        yield found


@pytest.fixture
def address(database):
    """Of a schema that nothing is in."""
    return f"{database.address}?schema=s{next(_schemas)}"


def shared(address, *paths):
    return Index(*paths, database=address, retriever="settle", embedder="")


def told(index):
    """What an index tells of its content."""
    return index.documents, len(index), [answer_record(index.ask(each)) for each in QUESTIONS]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_any_changes_by_two_processes_give_what_one_has_in_memory(address, seed):
    draw = random.Random(seed)
    both, alone = (shared(address), shared(address)), Index(retriever="settle", embedder="")
    for _ in range(14):
        index, name = draw.choice(both), draw.choice([*TEXTS])
        known = name in alone.documents
        match draw.choice(["learn", "forget", "confirm"]):
            case "forget" if known:
                index.forget(name)
                alone.forget(name)
            case "confirm" if known:
                question = draw.choice(QUESTIONS)
                index.confirm(question, alone.of_document(name)[0])
                alone.confirm(question, alone.of_document(name)[0])
            case _:
                text = TEXTS[name] * draw.randint(1, 2)
                index.learn(name, text)
                alone.learn(name, text)
                assert index.content.texts(name) == both[0].content.texts(name) == [text.encode()]
        assert told(both[0]) == told(both[1]) == told(alone)
    assert told(shared(address)) == told(alone)


def test_a_folder_of_many_processes(address, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    with ThreadPoolExecutor(3) as pool:  # all read it for the first time at once
        several = [*pool.map(lambda _: shared(address, folder), range(3))]
    reader, alone = shared(address), Index(folder, cache=False, retriever="settle", embedder="")
    assert told(reader) == told(alone) == told(several[0])
    assert reader.content.texts("garden.md") == [TEXTS["garden.md"].encode()]
    (folder / "garden.md").unlink()
    assert several[1].update().forgotten == ("garden.md",)
    assert "garden.md" not in reader.documents
    assert not reader.ask("When are the tomatoes watered?").found
    reader.learn("said.md", "The tomatoes are watered at noon.")
    assert several[2].update().forgotten == ()  # what is no file stays
    assert reader.ask("When are the tomatoes watered?").found
    for change in (lambda: reader.forget("house.md"), lambda: reader.learn("house.md", "No house.")):
        with pytest.raises(UsageError, match="is a file of this index"):
            change()
    with pytest.raises(UsageError, match="give the same, or none, or another schema"):
        shared(address, tmp_path)


def test_no_update_of_many_writers_is_lost(address):
    writers, rounds = 4, 12

    def write(writer):
        index, mine = shared(address), set()
        draw = random.Random(writer)
        for number in range(rounds):
            name = f"{writer}-{number}.txt"
            index.learn(name, f"The key {number} of {writer} hangs behind clock {number}.\n")
            mine.add(name)
            if draw.random() < 0.4:
                gone = draw.choice([*mine])
                index.forget(gone)
                mine.discard(gone)
        return mine

    with ThreadPoolExecutor(writers) as pool:
        survivors = set().union(*pool.map(write, range(writers)))
    index = shared(address)
    assert {*index.documents} == survivors
    alone = Index(retriever="settle", embedder="")
    for name in sorted(survivors):
        alone.learn(name, index.content.texts(name)[0].decode())
    question = "Where does the key of 2 hang?"
    assert answer_record(index.ask(question)) == answer_record(alone.ask(question))


def test_only_what_may_have_changed_is_read_again(address, monkeypatch):
    writer, reader = shared(address), shared(address)
    writer.learn("house.md", TEXTS["house.md"])
    read, found = list[str](), postgres.PostgreSQL._found

    def noted(own, statement, values):
        if own is reader.content.database:
            read.append(statement.partition(" FROM ")[2].partition(" ")[0])
        return found(own, statement, values)

    def asked():
        read.clear()
        assert reader.ask("When is the boiler serviced?").found
        return {*read}

    monkeypatch.setattr(postgres.PostgreSQL, "_found", noted)
    assert asked() >= {"terms", "postings", "texts"}
    assert asked() == {"meta"}
    writer.learn("garden.md", "Roses.")
    assert asked() & {"terms", "postings", "texts"} == {"texts"}  # none of the terms has changed
    writer.learn("cellar.md", "The boiler is there.")
    assert asked() >= {"terms", "postings", "texts"}


def test_what_is_forgotten_is_in_no_table(address):
    index = shared(address)
    index.learn("secret.md", "The quagmire is behind the mill.")
    passage = index.ask("Where is the quagmire?").answer
    index.confirm("What lies behind the quagmire?", passage)
    assert "quagmire" in content(index)
    index.forget("secret.md")
    assert "quagmire" not in content(index)
    with pytest.raises(DataError, match="no document of this name"):
        index.content.texts("secret.md")


def content(index):
    """All that is in the tables of an index."""
    own = index.content.database
    tables = own.rows("SELECT tablename FROM pg_tables WHERE schemaname = ?", own.schema)
    rows = [row for (table,) in tables for row in own.rows(f"SELECT * FROM {table} AS every")]
    return repr(rows)


def test_a_change_waits_for_others_and_questions_do_not(address, monkeypatch):
    monkeypatch.setattr(postgres, "_PATIENCE", 1)
    one, two = shared(address), shared(address)
    one.learn("house.md", TEXTS["house.md"])
    inside, done = threading.Event(), threading.Event()

    def hold():
        with one.content.changing():
            one.forget("house.md")
            inside.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(20)
    assert two.ask("When is the boiler serviced?").found  # it is not forgotten before the end
    with pytest.raises(IndexUnavailable, match="another process has been changing it for 1 s; try again"):
        two.learn("garden.md", TEXTS["garden.md"])
    done.set()
    holder.join()
    assert not two.ask("When is the boiler serviced?").found
    two.learn("garden.md", TEXTS["garden.md"])
    assert one.documents == ["garden.md"]


def test_an_error_inside_a_change_undoes_all_of_it(address):
    index = shared(address)
    index.learn("house.md", TEXTS["house.md"])
    before = content(index)

    def change():
        with index.content.changing():
            index.learn("garden.md", TEXTS["garden.md"])
            index.forget("house.md")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert content(index) == before
    assert index.documents == ["house.md"]


def test_a_server_that_is_restarted_is_found_again(tmp_path):
    with server() as own:
        address = own.address.replace("postgres@", "postgres:hunter2@") + "?schema=notes"
        index = shared(address)
        index.learn("house.md", TEXTS["house.md"])
        own.stop()
        for change in (
            lambda: index.ask(QUESTIONS[0]),
            lambda: index.learn("x.md", "No."),
            lambda: shared(address),
        ):
            with pytest.raises(IndexUnavailable) as error:
                change()
            assert "\n" not in str(error.value)
            assert "hunter2" not in str(error.value)
        own.start()
        assert index.ask(QUESTIONS[0]).found
        assert index.documents == ["house.md"]


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("mysql://host/database", "mysql: not an address of PostgreSQL; give postgresql://"),
        ("notes", "notes: not an address of PostgreSQL"),
        ("postgresql://host/d?schema=My-Notes", "letters a to z, digits and _ are allowed"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "connection failed"),
    ],
)
def test_an_address_that_is_none_is_one_line(address, line):
    done = subprocess.run(
        [sys.executable, "-m", "lior_cli.main", "ask", "--index", address, "Where is the key?"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert line in done.stderr
    assert "hunter2" not in done.stderr


def test_tables_of_another_version_are_left_as_they_are(address, monkeypatch):
    shared(address).learn("house.md", TEXTS["house.md"])
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "version", lambda: 1)
        with pytest.raises(
            DataError, match="made by another version of lior; name another schema, or remove"
        ):
            shared(address)
    assert shared(address).documents == ["house.md"]


@pytest.mark.slow
def test_the_command_line_asks_what_others_learned(address, tmp_path):
    shared(address).learn("house.md", TEXTS["house.md"])
    (tmp_path / "garden.md").write_text(TEXTS["garden.md"])

    def ask(*words):
        return subprocess.run(
            [sys.executable, "-m", "lior_cli.main", "ask", "--index", address, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    first = ask("--context", "2", "When is the boiler serviced?")
    assert first.returncode == 0, first.stderr
    assert "The boiler is serviced in October." in first.stdout
    assert "# House" in first.stdout  # from the database: no file is here
    assert ask("garden.md", "When are the roses cut?").returncode == 0
    assert ask("When are the roses cut?").returncode == 0
    refused = ask("--no-cache", "When are the roses cut?")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
