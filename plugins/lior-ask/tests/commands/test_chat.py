"""`lior chat`: in a pipe, and with a person at a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from types import SimpleNamespace

import pytest
from ask.test_endpoint import server  # noqa: F401 (a fixture)

import lior as library

FACT = "The key of the observatory hangs behind the blue clock in the kitchen."
SDM = {
    "orders": [0, 1, 2, 3, 4, 5, 6],
    "base_order": 2,
    "patterns": ["word"],
    "joint": [],
    "gates": ["longest"],
}


@pytest.fixture(scope="module")
def quoting(tmp_path_factory, sample):
    """A run that quotes what it read once. Copy it to change it."""
    out = tmp_path_factory.mktemp("quoting") / "run"
    library.train(
        str(sample), out=out, memory={"name": "sdm,match", "sdm": SDM}, fit={"passes": 0, "noise_passes": 0}
    )
    return out


@pytest.fixture
def work(quoting, tmp_path):
    """A directory with a run and a text."""
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    (folder / "fact.txt").write_text(f"First line.\n{FACT}\n")
    shutil.copytree(quoting, folder / "run")
    return folder


def environment(work):
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("LIOR_")},
        "OMP_NUM_THREADS": "1",
        "LIOR_EMBEDDER": "",  # the encoder would read the whole run each time
        "XDG_STATE_HOME": str(work / "state"),
        "TERM": "dumb",
    }


@pytest.fixture
def say(work, command, monkeypatch):
    """Chat in a pipe, in this process, by words alone: the encoder would read the whole run each time."""
    monkeypatch.setenv("LIOR_EMBEDDER", "")

    def chat(*lines, arguments=("run",)):
        text = "".join(f"{line}\n" for line in lines)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return command("chat", *arguments)

    return chat


# --- in a pipe ------------------------------------------------------------------------


def test_a_message_is_asked_and_the_answer_has_its_line(say):
    done = say(
        "/learn fact.txt",
        "Where hangs the key of the observatory?",
        "/why",
        "/forget fact.txt",
        "Where hangs the key of the observatory?",
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == FACT
    assert re.match(r"fact.txt:2 .*\((very )?likely, \d+%\)", lines[1])
    assert re.search(r"^ranked by +(settle|meaning): ", done.out, re.MULTILINE)
    assert re.search(r"^1  \d\.\d+  fact.txt:2  .*observatory", done.out, re.MULTILINE)
    assert "Nothing in the documents speaks of it: " in done.out
    assert done.out.index("Nothing in the documents") < done.out.index("The nearest:")
    assert done.out.count(FACT) == 1, "what was forgotten is not quoted"


def test_more_shows_the_next_passages(say):
    done = say("What does the break statement terminate?", "/more", "more", "/more", "/more", "/more")
    numbers = [int(n) for n in re.findall(r"^(\d+)  +\S", done.out, re.MULTILINE)]
    assert numbers == list(range(2, len(numbers) + 2))
    assert len(numbers) > 6
    assert "there are no further passages" in done.err


def test_a_follow_up_says_what_it_inherits(say, work):
    (work / "fact.txt").write_text("The boiler is serviced in May.\n\nThe car is serviced in June.\n")
    done = say("/learn fact.txt", "When is the boiler serviced?", "and the car?")
    assert "The car is serviced in June." in done.out
    assert "(with boiler, serviced from before)" in done.err


def test_chat_in_python_replies_as_the_command_does(say, work):
    """A text that the model is sure of, an answer, a follow-up, nothing found, and nothing to look for."""
    (work / "fact.txt").write_text("~=^ " * 40 + "\n\nThe boiler is due in May.\n\nThe car is due in June.\n")
    messages = ["~=^ ~=^ ~=", "When is the boiler due?", "and the car?", "Do elephants dislike umbrellas?"]
    done = say("/learn fact.txt", *messages, arguments=("run", "--max-tokens", "9"))
    assert "(with boiler, due from before)" in done.err
    run = library.load(work / "run")
    run.learn("fact.txt")
    chat = run.chat(9)
    replies = [chat.say(message) for message in messages]
    assert [reply.turn is None for reply in replies] == [True, False, False, False]
    assert [str(reply) for reply in replies[1:3]] == ["The boiler is due in May.", "The car is due in June."]
    shown = iter(done.out.splitlines())
    for reply in replies:
        assert any(str(reply).rstrip() in line for line in shown), reply
    chat.reset()
    with pytest.raises(library.LiorError) as caught:
        chat.say("and the?")
    assert str(caught.value) in say("and the?").err


def test_go_continues_the_message_then_the_reply(say):
    greedy = ("run", "--max-tokens", "9", "--stop", "", "--temperature", "0")
    once = say("/go The for statement", arguments=greedy)
    done = say("/go The for statement", "/go", arguments=greedy)
    assert done.out.startswith(once.out)
    assert done.out != once.out + once.out
    assert "what is missing" in say("/go").err


def test_a_folder_is_asked_without_a_model(say, work, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / "cache"))
    (work / "notes").mkdir()
    (work / "notes" / "key.md").write_text(FACT)
    done = say("Where hangs the key of the observatory?", "/docs", "/go x", arguments=("notes",))
    assert done.code == 1, "of /go"
    assert done.out.startswith(f"{FACT}\nnotes/key.md:1")
    assert "key.md" in done.out.splitlines()
    assert "error: that needs a run, and a folder is only asked" in done.err
    assert say("x", arguments=("notes", "--remember")).code == 2


def test_the_file_quoted_last_is_opened_and_an_overview_is_whole(command, work, monkeypatch):
    folder = work / "notes"
    folder.mkdir()
    text = "".join(f"The tower has the stair number {number}.\n\n" for number in range(20)) + FACT
    (folder / "a.txt").write_text(f"{text}\n")
    days = "".join(f"2025-0{n}-01 Wall {n} was painted in {c}.\n" for n, c in enumerate("abcde", 1))
    (folder / "walls.log").write_text(days)
    said = "Where does the key of the observatory hang?\nopen that file\nWhat do I know about the wall?\n"
    monkeypatch.setenv("LIOR_EMBEDDER", "")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(said.encode()), isatty=lambda: False))
    out = command("chat", str(folder)).out
    assert f"{folder / 'a.txt'}:41\n33- The tower has the stair number 16.\n" in out
    assert f"\n41: {FACT}\n\n5 places speak of it:\n" in out
    assert re.findall(r"^(\d)  2025-0(\d)", out, re.M) == [(str(n), str(n)) for n in range(1, 6)]


def test_folders_are_read_again_before_a_message_and_asked_together(command, work, monkeypatch):
    """The help names no command that needs a run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / "cache"))
    for name, text in (("notes", FACT), ("mail", "The winter tyres are in the shed.")):
        (work / name).mkdir()
        (work / name / "first.md").write_text(text)

    def lines():
        yield b"Where are the winter tyres?\n"
        (work / "notes" / "later.md").write_text("The brass lamp was sold in Porto.")
        yield b"Where was the brass lamp sold?\n"
        yield b"/help\n"

    given = lines()
    stdin = SimpleNamespace(buffer=SimpleNamespace(readline=lambda: next(given, b"")), isatty=lambda: False)
    monkeypatch.setattr("sys.stdin", stdin)
    done = command("chat", "notes", "mail")
    assert "The winter tyres are in the shed.\nmail/first.md:1" in done.out
    assert "The brass lamp was sold in Porto.\nnotes/later.md:1" in done.out
    listed = {line.split()[0] for line in done.err.splitlines() if line.startswith("/")}
    assert listed == {"/more", "/why", "/good", "/docs", "/reset", "/help", "/quit"}


def test_only_what_was_shown_is_good_and_quit_ends_the_chat(say, work, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / "cache"))
    (work / "notes").mkdir()
    (work / "notes" / "shed.md").write_text("The winter tyres are in the shed.\n\nSummer tyres are green.\n")
    done = say("Where are the winter tyres?", "/good 2", "quit", "Is it green?", arguments=("notes",))
    assert (
        "/good 2: only passage 1 is shown, and /good 1 confirms the first one; /more shows further ones"
        in done.err
    )
    assert "green" not in done.out


def test_good_confirms_a_passage_of_a_folder_and_takes_it_back(say, work, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / "cache"))
    (work / "notes").mkdir()
    (work / "notes" / "key.md").write_text(f"{FACT}\n\nNothing opens the shed but kindness.\n")
    question = "How high is the conservatory of the royal palace, and who opens it?"
    monkeypatch.setenv("LIOR_EMBEDDER", "")  # which knows it as a kind of shed
    early = say("/good", question, "/good 9", "/good x", arguments=("notes",))
    assert "there is none; ask something first" in early.err
    assert early.err.count("shown, and /good 1 confirms the first one") == 2
    done = say(question, "/good", question, "/good", arguments=("notes",))
    assert done.code == 0, done.err
    assert f"notes/key.md:3 counts as an answer to {question!r}; /good 1 again takes that back" in done.err
    assert f"notes/key.md:3 no longer counts as an answer to {question!r}" in done.err
    assert "'royal' and 'palace' are nowhere in the text" in done.out.split("kindness")[0]
    assert "palace" not in done.out.split("kindness")[1], "it counts as known"
    asked = "Which statement is used for conditional execution?", "/good"
    assert "counts as an answer to" in say(*asked).err, "in a run, too"
    assert "no longer counts as an answer to" in say(*asked).err, "it was kept"


def test_an_endpoint_words_the_answer_and_where_it_fails_the_passage_is_quoted(say, server):  # noqa: F811
    lines = ("/learn fact.txt", "Where hangs the key of the observatory?")
    arguments = ("run", "--with", server.url, "small")
    server.says('It hangs "behind the blue clock" [1], or "in the shed" [9].')
    done = say(*lines, arguments=arguments)
    assert done.code == 0, done.err
    shown = done.out.splitlines()
    assert " ".join(shown[:-1]) == (
        'It hangs "behind the blue clock" [1], or "in the shed" (not in the passages) [9] (no such passage).'
    )
    assert shown[-1] == "[1] fact.txt:2"
    assert "2 of what it cites or quotes is not in the passages" in done.err
    server.status = 503
    done = say(*lines, arguments=arguments)
    assert done.code == 1
    assert "refused with 503" in done.err
    assert done.out.startswith(FACT)
    assert say("x", arguments=("run", "--with", "nowhere", "small")).code == 2


def test_a_pipe_gets_replies_alone(say):
    done = say(
        "/go The for statement", "", "/go And then", arguments=("run", "--max-tokens", "20", "--stop", "")
    )
    assert done.code == 0, done.err
    assert done.err == ""
    assert 40 <= len(done.out) <= 42


def test_a_fact_is_learned_quoted_explained_and_forgotten(say, work):
    done = say(
        "/learn fact.txt",
        "/set temperature 0",
        "/go The key of the observatory hangs",
        "/why",
        "/docs",
        "/forget fact.txt",
        "/reset",
        "/go The key of the observatory hangs",
        arguments=("run", "--stop", "."),
    )
    assert done.code == 0, done.err
    quoted, *_, last = done.out.splitlines()
    assert quoted == " behind the blue clock in the kitchen."
    assert "fact.txt:2" in done.out
    assert "learned fact.txt: 83 bytes" in done.err
    assert "forgot fact.txt: 83 bytes" in done.err
    assert "clock" not in last
    assert "2 changes not saved" in done.err
    assert len(library.load(work / "run").documents()) == 1


def test_what_is_saved_is_there_afterwards(say, work):
    assert say("/learn fact.txt", "/save").code == 0
    assert [d.name for d in library.load(work / "run").documents()][1:] == ["fact.txt"]
    done = say("/forget fact.txt", "/save")
    assert "saved 1 change" in done.err
    assert len(library.load(work / "run").documents()) == 1


def test_what_is_said_is_learned_only_when_asked(say, work):
    assert "remembered" not in say("It is so.", "/docs").err
    done = say("It is so.", "It is so.", "/save", arguments=("run", "--remember"))
    assert done.err.count("remembered as said-") == 2
    names = [d.name for d in library.load(work / "run").documents()][1:]
    assert len(set(names)) == 2
    assert all(name.startswith("said-") for name in names)


def test_a_backslash_goes_on_in_the_next_line(say):
    together = say("/go one\\", "two", arguments=("run", "--max-tokens", "5"))
    assert together.code == 0
    assert len(together.out) <= 6
    assert len(say("/go one\\", arguments=("run", "--max-tokens", "5")).out) <= 6, "also at the end"


def test_settings_change_what_is_said(say):
    cold = say("/set temperature 0", "/go The ", "/reset", "/go The ").out
    half = len(cold) // 2
    assert cold[:half] == cold[half:]
    hot = say("/set", "/set temperature 5", "/go The ")
    assert hot.out != cold[:half]
    assert "temperature 0.6" in hot.err


def test_a_wrong_command_is_one_line_and_the_chat_goes_on(say):
    wrong = {
        "/wy": "no command '/wy'. Did you mean '/why'?",
        "/xyzzy": "no command '/xyzzy'. /help lists them.",
        "/why": "/why explains the last reply, and there is none yet; say something first",
        "/learn": "/learn FILE: what is missing",
        "/learn absent.txt": "absent.txt: no such file or folder",
        "/forget": "/forget NAME: what is missing",
        "/forget fact": "fact: no document of this name in the run. `lior docs` lists them.",
        "/save": "nothing was learned or forgotten since the run was opened or saved",
        "/save now": "/save takes nothing, and 'now' was given",
        "/set heat 1": "/set heat 1: unknown option. Known: ",
        "/set temperature hot": "/set temperature hot: allowed is a number from 0 to 100",
        "/set recall_at 0.3": "recall_at = 0.3: has no effect while recall is 0; set recall too",
    }
    done = say(*wrong, "/go The ", arguments=("run", "--max-tokens", "5"))
    assert done.code == 1
    for line, (command, message) in zip(done.err.splitlines(), wrong.items(), strict=True):
        assert line.startswith(f"lior: error: {message}"), command
    assert 1 <= len(done.out) <= 6


def test_the_newest_run_is_found(say, work):
    (work / "runs").mkdir()
    shutil.copytree(work / "run", work / "runs" / "later")
    done = say("/go The ", arguments=("--max-tokens", "3"))
    assert done.code == 0
    assert "chat with runs/later, the newest run" in done.err
    shutil.rmtree(work / "runs")
    shutil.rmtree(work / "run")
    done = say("/go The ", arguments=())
    assert done.code == 1
    assert "no finished run here or in runs/" in done.err


# --- at a terminal --------------------------------------------------------------------


class Terminal:
    """A person who chats."""

    def __init__(self, work, *arguments, sigint=signal.SIG_DFL):
        def take_the_terminal():
            signal.signal(signal.SIGINT, sigint)  # the tests may be a background job, where it is ignored
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._screen, inside = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lior_cli.main", "chat", *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            cwd=work,
            env=environment(work),
            start_new_session=True,
            preexec_fn=take_the_terminal,
        )
        os.close(inside)
        self.shown = ""

    def until(self, text, seconds=900.0):
        """What is shown up to and with ``text``."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} did not come; shown was {self.shown!r}"
            if select.select([self._screen], [], [], left)[0]:
                try:
                    self.shown += os.read(self._screen, 4096).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(f"the chat ended before {text!r}: {self.shown!r}") from None
        found, self.shown = self.shown.split(text, 1)
        return found + text

    def type(self, text):
        os.write(self._screen, text.encode())

    def says(self, line, *shown):
        """Type a line and wait for each of these texts, then for the prompt."""
        self.type(f"{line}\n")
        for text in (*shown, "> "):
            self.until(text)

    def ends(self):
        """The exit code; everything that is still shown is read."""
        while True:
            try:
                data = os.read(self._screen, 4096)
            except OSError:
                break
            if not data:
                break
            self.shown += data.decode("utf-8", "replace")
        return self.process.wait(900)


@pytest.fixture
def terminal(work):
    opened = []

    def make(*arguments, **options):
        opened.append(Terminal(work, *arguments, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.process.kill()


@pytest.mark.slow
def test_ctrl_c_stops_a_reply_and_gives_up_an_endpoint_and_the_chat_goes_on(terminal, server):  # noqa: F811
    """Also where the parent ignores it."""
    server.may_reply.clear()
    options = ("--stop", "", "--max-tokens", "100000", "--with", server.url, "small")
    person = terminal("run", *options, sigint=signal.SIG_IGN)
    person.until("> ")
    person.type("/go The \n")
    person.until("The \r\n")
    time.sleep(0.3)
    person.type("\x03")
    person.until("(stopped)")
    person.until("> ")
    person.type("Which statement is used for conditional execution?\n")
    person.until("execution?\r\n")
    while not server.requests:
        time.sleep(0.05)
    person.type("\x03")
    person.until("(stopped)")
    person.until("> ")
    person.says("/set", "temperature 0.6")
    time.sleep(0.5)  # readline is ready a little after it has shown the prompt
    person.type("\x03")
    person.until("/quit or Ctrl-D ends the chat")
    person.until("> ")
    person.type("\x04")
    assert person.ends() == 0


ODD = (b"\xff\xfe \x80key\0\0", b"\x1b[A\x1b[999;999Rkey", b"\x12\x1f\x0b\x17")
"""What a keyboard, a mouse or a cat at the keys may send."""


@pytest.mark.slow
def test_odd_bytes_and_sizes_leave_chat_and_terminal_as_they_were(terminal, work):
    (work / "notes").mkdir()
    (work / "notes" / "fact.txt").write_text(f"{FACT}\n")
    person = terminal("notes")
    before = termios.tcgetattr(person._screen)
    person.until("> ")
    for number, (keys, size) in enumerate(zip(ODD, [(0, 0), (2, 7), (65535, 80)], strict=True)):
        fcntl.ioctl(person._screen, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        time.sleep(0.3)
        os.write(person._screen, keys)
        for _ in range(20):  # what a search for a line, for instance, is ended by does not end the line
            os.write(person._screen, b"\x03")
            with contextlib.suppress(AssertionError):
                person.until("/quit or Ctrl-D ends the chat", seconds=2)
                break
            # At Ctrl-C the terminal drops unread keys; a readline that was told of one waits for the next.
            os.write(person._screen, b" ")
        else:
            pytest.fail(f"after {keys!r} Ctrl-C does nothing: {person.shown!r}")
        os.write(person._screen, keys + b"\n")
        person.says("/docs", "fact.txt")
        assert person.process.poll() is None, number
    person.says("Where hangs the key of the observatory?", "observatory")
    person.type("\x04")
    assert person.ends() == 0
    assert "Traceback" not in person.shown
    assert termios.tcgetattr(person._screen) == before


@pytest.mark.slow
def test_an_hour_at_the_terminal(terminal, work):
    """What wraps, what could steer the terminal, a mistake, and what is not saved at the end."""
    checkpoints = work / "run" / "checkpoints"
    before = sorted(checkpoints.rglob("*"))
    (work / "evil.txt").write_bytes(b"Open sesame now: \x1b]0;gone\x07 \x9b31m and all is well here.\n")
    person = terminal("run", "--temperature", "0")
    person.until("/help lists the commands")
    person.until("> ")
    person.says("/wy", "Did you mean '/why'?")
    person.says("/learn fact.txt", "/save keeps it")
    person.type("Where hangs the key of the observatory?\n")
    person.until("observatory?\r\n")
    shown = person.until("> ")
    assert FACT in " ".join(shown.split())
    assert "(/more shows" in shown
    person.says("/learn evil.txt")
    person.type("/go Open sesame now:\n")
    person.until("now:\r\n")
    reply = person.until("> ")
    assert "\x1b]" not in reply
    assert "\x9b" not in reply
    person.says("/forget fact.txt", "forgetting fact.txt", "forgot fact.txt: 83 bytes")
    assert sorted(checkpoints.rglob("*")) == before, "a kill here would leave the run as it was"
    person.says("/quit", "3 changes not saved: /save keeps them, /quit again leaves them")
    person.type("/quit\n")
    assert person.ends() == 0
    history = work / "state" / "lior" / "history"
    assert "/learn fact.txt" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600
