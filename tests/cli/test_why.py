"""`lior why` and `lior generate --sources`: a planted fact, the table, JSON, and the page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

import lior as library
from lior_cli import sources
from tests.cases import cases

FACT = "The launch of the great balloon is on the fourth of May near Geneva."
PROMPT, REST = FACT[:31], FACT[31:]
HOSTILE = "Here is <script>alert('x & y')</script> and \x1b[31mred\x1b[0m \u202eback.\n"
NOTES = {
    "/home/me/notes/plan.txt": f"Notes\n\n{FACT}\nBring a coat.\n" * 2,
    "/home/me/old/plan.txt": "The launch of the small boat was in the third week of June, near Basel.\n" * 2,
    "/home/me/<b>&'.txt": HOSTILE * 2,
    "/home/me/other.txt": "The quick brown fox jumps over the lazy dog, over and over.\n" * 9,
}


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """A run on :data:`NOTES`, all of them held."""
    out = tmp_path_factory.mktemp("why") / "run"
    geometry, data = {"updates": 2, "batch": 16, "keys": 64}, {"holdout": 0.05}
    library.train(
        documents=NOTES, memory="sdm,match", fit={"passes": 0}, geometry=geometry, data=data, out=out
    )
    return out


@pytest.fixture
def why(command, notes):
    """Run `lior why` on that run; what it prints."""

    def run(*args: object) -> str:
        result = command("why", notes, *args)
        assert (result.code, result.err) == (0, "")
        return result.out

    return run


# --- the table ---


def test_a_line_for_each_word_and_what_is_behind_all(why):
    out = why("--prompt", PROMPT, "--next", len(REST))
    lines = out.splitlines()
    assert lines[0] == FACT
    assert lines[2].split() == ["word", "prob.", "share", "place", "excerpt"]
    assert "4 stop words left out; --json has all" in lines
    begin, end = 3, lines.index("documents") - 2
    telling = [word for word in REST.rstrip(".").split() if word not in ("is", "on", "the", "of")]
    assert "May" in telling, "a name"
    for line, word in zip(lines[begin:end], [*telling, "."], strict=True):
        assert line.split()[0] == word
        assert "notes/plan.txt:" in line
        assert f"[{word}]" in line
    assert lines[end + 3].split()[2] == "notes/plan.txt"
    assert {"sdm: counts", "match: longest match"} < {line[9:].strip() for line in lines}
    assert max(map(len, lines)) <= 100
    shares = [float(line.split("%")[0]) for line in lines[end + 2 :] if "%" in line]
    assert sum(shares) == pytest.approx(200, abs=0.6), "documents, and experts"


def test_places_below_each_other_and_tokens(why):
    one, three = (why("--prompt", "The launch of the", "--text", " great", "--top", top) for top in (1, 3))
    assert one.count("[great]") == 1 < three.count("[great]") == 2, "it stands in two places"
    tokens = why("--prompt", PROMPT, "--text", " is", "--by", "token").splitlines()
    assert [line[0] for line in tokens[3:6]] == ["␣", "i", "s"]
    assert "nothing but blanks" in why("--prompt", PROMPT, "--text", " ")


def test_a_word_that_was_never_seen(why):
    out = why("--prompt", PROMPT, "--text", " \x01")
    assert "no single place" in out
    found = json.loads(why("--prompt", PROMPT, "--text", "\x01", "--json"))["words"][0]
    assert found["sources"] == []
    assert found["unplaced"] == found["probability"] == found["experts"]["unseen"]


def test_documents_cannot_steer_the_terminal(why):
    out = why(
        "--prompt", "Here is <script>alert", "--text", "('x & y')</script> and \x1b[31mred\x1b[0m \u202eback."
    )
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[31mred]" in out


@pytest.mark.parametrize(
    ("variables", "colors"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals(why, monkeypatch, variables, colors):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "70")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = why("--prompt", PROMPT, "--text", REST)
    assert ("\x1b[36m" in out) == colors
    assert ("[fourth]" in out) != colors
    table = out[: out.index("documents")].splitlines()
    if not colors:
        assert max(map(len, table[2:])) <= 70


# --- JSON ---


def test_json(why):
    found = json.loads(why("--prompt", PROMPT, "--next", 20, "--json"))
    assert set(found) == {
        "prompt",
        "text",
        "by",
        "words",
        "documents",
        "common",
        "unplaced",
        "experts",
        "seconds",
    }
    assert "".join(word["text"] for word in found["words"]) == found["text"] == REST[:20]
    assert found["by"] == "word"
    for word in found["words"]:
        assert set(word) == {"text", "probability", "experts", "sources", "elsewhere", "unplaced"}
        assert all(
            set(source) == {"document", "line", "column", "before", "text", "after", "weight"}
            for source in word["sources"]
        )
    whole = sum(each["share"] for each in found["documents"]) + found["common"] + found["unplaced"]
    assert whole == pytest.approx(1)
    few = json.loads(why("--prompt", PROMPT, "--next", 20, "--json", "--top", 1))["words"]
    for word, all_of_it in zip(few, found["words"], strict=True):
        assert len(word["sources"]) <= 1
        weights = sum(source["weight"] for source in word["sources"]) + word["elsewhere"] + word["unplaced"]
        assert weights == pytest.approx(word["probability"])
        assert word["probability"] == all_of_it["probability"]


def test_generate_says_its_sources(command, notes):
    asked = ("--prompt", PROMPT, "--max-tokens", len(REST), "--temperature", 0)
    plain = command("generate", notes, *asked)
    told = command("generate", notes, *asked, "--sources")
    assert (told.code, told.out) == (0, plain.out)
    assert plain.err == ""
    assert told.err.splitlines()[0] == "documents"
    assert "notes/plan.txt" in told.err.splitlines()[1]
    found = json.loads(command("generate", notes, *asked, "--sources", "--json").out)
    why = json.loads(command("why", notes, *asked[:2], "--next", len(REST), "--json").out)
    assert found["text"] == why["text"]
    assert found["sources"] == {key: why[key] for key in ("documents", "common", "unplaced", "experts")}
    assert command("generate", notes, "--max-tokens", 0, "--sources").err == ""


# --- the page ---


class Page(HTMLParser):
    """Tags, attributes and text of a page; refuses what does not close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words, self.text = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if dict(attrs).get("class") == "word":
            assert "tabindex" in dict(attrs), "by the keyboard as well"
            self.words.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data
        if self.words:
            self.words[-1] += data


def test_the_page_holds_everything_and_is_escaped(command, notes, tmp_path):
    path = tmp_path / "work" / "page.html"
    text = "('x & y')</script> and \x1b[31mred"
    result = command("why", notes, "--prompt", "Here is <script>alert", "--text", text, "--html", "page.html")
    assert result.out.splitlines()[-1] == "wrote page.html"
    data = path.read_text()
    page = Page(data)
    known = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "br", "div"}
    known |= {"span", "b", "code", "mark"}
    assert {tag for tag, _ in page.tags} == known, "no script, and nothing of a document became a tag"
    assert not {"src", "href", "onclick"} & {name for _, attributes in page.tags for name in attributes}
    assert "http" not in data
    assert "\x1b" not in data
    assert ":hover" in data
    assert ":focus" in data
    assert "&lt;script&gt;alert" in data
    red = next(word for word in page.words if word.startswith("31mred"))
    assert "<b>&'.txt:" in red
    assert "<script>alert('x & y')</script>" in red, "the excerpt, as text"
    assert "match: longest match" in red
    assert not list(path.parent.glob("*.partial"))


def test_the_page_replaces_a_page_and_nothing_else(command, notes, tmp_path):
    work = tmp_path / "work"
    asked = ("why", notes, "--prompt", PROMPT, "--next", 3, "--html")
    assert command(*asked, "a.html").out.endswith("wrote a.html\n")
    assert command(*asked, "a.html").out.endswith("replaced a.html\n")
    (work / "mine.txt").write_text("my own words")
    result = command(*asked, "mine.txt")
    assert (result.code, result.out) == (2, "")
    assert "is there and no page" in result.err
    assert (work / "mine.txt").read_text() == "my own words"
    found = command(*asked, "b.html", "--json")
    assert json.loads(found.out)["text"] == " is"
    assert found.err == "wrote b.html\n"


# --- names ---


@cases(
    ("names", "short"),
    [
        (["/a/x.txt", "/a/y.txt"], ["x.txt", "y.txt"]),
        (["/a/b/x.txt", "/c/b/x.txt", "/d/x.txt"], ["a/b/x.txt", "c/b/x.txt", "d/x.txt"]),
        (["x.txt", "b/x.txt"], ["x.txt", "b/x.txt"]),
        (["<stdin>"], ["<stdin>"]),
        ([], []),
    ],
)
def test_names_are_as_short_as_they_are_clear(names, short):
    found = sources.short_names(names)
    assert [found[name] for name in names] == short
