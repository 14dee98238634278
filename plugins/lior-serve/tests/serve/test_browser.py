"""The conversation on the page, in a real browser at the width of a phone and of a desk."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from ask.test_endpoint import server  # noqa: F401 (a fixture)

from lior_ask.answer.serialise import in_words
from lior_ask.conversation.endpoint import Endpoint
from serve.browser import Browser
from serve.servers import running

QUESTION, FOLLOW_UP = "When is the boiler serviced?", "And the car?"
WIDTHS = {"phone": (390, 844), "desk": (1280, 800)}
NAMED = {"button", "link", "searchbox", "textbox", "combobox", "checkbox", "region"}
NAMED |= {"DisclosureTriangle", "Date"}


@pytest.fixture(scope="module")
def url(folder, tmp_path_factory):
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("talk") / "notes")
    many = "".join(f"* Box {number} is full of other things.\n" for number in range(24))
    (copy / "boxes.md").write_text(f"# Boxes\n\n{many}* The violin is below the stairs.\n")
    with running(copy) as live:
        yield live.url


@pytest.fixture
def page(url, chromium):
    browser = Browser(chromium, url)
    browser.open("/docs")
    browser("sessionStorage.clear()")
    browser.faults()
    browser.size(*WIDTHS["desk"])
    browser.open()
    yield browser
    chromium.get("about:blank")
    assert not browser.faults()


def focused(page):
    return page("return document.activeElement.id || document.activeElement.textContent || 'nothing'")


def luminance(color):
    parts = [float(each) for each in re.findall(r"[\d.]+", color)[:3]]
    shares = [each if "srgb" in color else each / 255 for each in parts]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in shares]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(("width", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_answer_and_box_fit_the_screen(page, width, scheme):
    page.size(*WIDTHS[width], scheme)
    page.ask(QUESTION)
    page.ask(FOLLOW_UP)
    assert page("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for seen in (".turn:last-child .quote", "#ask-form .askbox"):
        box = page("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", seen)
        assert box["top"] >= 0, seen
        assert box["bottom"] <= WIDTHS[width][1], seen
    least = 44 if width == "phone" else 24
    small = """return [...document.querySelectorAll('button, summary')].filter((e) => e.checkVisibility())
        .map((e) => [e.textContent || e.ariaLabel, e.getBoundingClientRect().toJSON()])
        .filter(([, box]) => Math.min(box.width, box.height) < arguments[0]).map(([name]) => name)"""
    assert page(small, least) == []
    colors = {}
    for confidence in (0.99, 0.8, 0.51, 0.3, 0.1):
        found = page(
            """const span = document.querySelector('.sure'), style = getComputedStyle(span);
            span.dataset.likely = arguments[0];
            return [style.color, style.backgroundColor]""",
            in_words(confidence),
        )
        lights = sorted(map(luminance, found))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5, found
        colors[found[0]] = confidence
    assert len(colors) == 5


def test_a_suggested_question_is_asked_by_a_click(page):
    page.until("return document.querySelector('#suggested button') !== null")
    question = page(
        "const first = document.querySelector('#suggested button'); first.click(); return first.textContent"
    )
    page.until("return document.querySelector('.turn') !== null")
    assert page("return document.querySelector('.turn h2').textContent") == question
    assert page("return getComputedStyle(document.getElementById('suggested')).display") == "none"


def test_all_of_a_conversation_by_the_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    assert focused(page) == "question"
    page.press(QUESTION, Keys.ENTER)
    page.until("return document.activeElement.matches('.turn')")
    assert page("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reached = []
    name = "const at = document.activeElement; return at.ariaLabel || at.textContent || at.id"
    ring = "return getComputedStyle(document.activeElement.closest('.askbox, :not(.askbox *)')).outlineStyle"
    for _ in range(7):
        page.press(Keys.TAB)
        reached.append(page(name))
        assert page(ring) == "solid", reached
    up, down = "This is the right answer", "This is not the right answer"
    assert reached == ["house.md:3", page.text(".sure summary"), "Copy", "Open", up, down, "question"]
    page("document.querySelector('.turn .tools button:nth-child(2)').focus()")
    page.press(Keys.ENTER)
    page.until("return document.activeElement.id === 'beside'")
    page.press(Keys.ESCAPE)
    page.until("return document.activeElement.textContent === 'Open'")
    page.press(Keys.ESCAPE)
    assert focused(page) == "question"
    page("document.querySelector('.turn').focus()")
    page.press("And the car?")  # the first letter goes to the box
    assert page("return document.getElementById('question').value") == "And the car?"


def test_names_and_landmarks_for_screen_readers(page):
    page.ask(QUESTION)
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [node for node in nodes if not node["ignored"]]
    roles = {node["role"]["value"]: [] for node in nodes}
    for node in nodes:
        roles[node["role"]["value"]].append(node.get("name", {}).get("value", ""))
    assert not [role for role in NAMED & roles.keys() if not all(roles[role])]
    assert {"banner", "navigation", "main", "search", "contentinfo", "article", "status"} <= roles.keys()
    assert roles["searchbox"] == ["Your question"]
    assert {"Conversation", "The document"} <= set(roles["region"])
    assert roles["article"] == [QUESTION]
    role, said = page("const told = document.getElementById('told'); return [told.role, told.textContent]")
    assert role == "status"
    assert said.endswith("likely: The boiler is serviced in October. house.md, line 3")
    told = [node for node in nodes if node["role"]["value"] == "status"]
    assert "polite" in str(told[0]["properties"])


def test_a_follow_up_inherits_and_a_reload_shows_it_again(page):
    page.ask(QUESTION)
    page.ask(FOLLOW_UP)
    shown = "return [...document.querySelectorAll('.asked, .inherited, .said')].map((e) => e.textContent)"
    talk = [
        QUESTION,
        "The boiler is serviced in October.",
        FOLLOW_UP,
        "with boiler, serviced from before",
        "The car is serviced in May.",
    ]
    assert page(shown) == talk
    page.shows(".lines mark", "The car is serviced in May.")
    page.driver.refresh()
    page.until("return document.querySelectorAll('.turn').length === 2")
    assert page(shown) == talk
    page.driver.find_element("id", "new").click()
    assert page(shown) == []
    kept = "return [location.search, JSON.parse(sessionStorage.getItem('talk')).turns.length]"
    assert page(kept) == ["", 0]
    page.ask(FOLLOW_UP)  # of nothing
    assert page(shown)[0] == FOLLOW_UP
    assert page("return document.querySelector('.inherited')") is None


def test_filters_stand_in_the_address_and_beside_the_question(page):
    page.driver.find_element("css selector", "#filters summary").click()
    page.driver.find_element("name", "path").send_keys("plan.txt")
    page.ask(QUESTION)
    assert page("return location.search") == "?q=When+is+the+boiler+serviced%3F&path=plan.txt"
    assert page.text(".inherited") == page.text("#filtered").removeprefix(" · ") == "in plan.txt"
    assert page.text(".notice").startswith("Nothing in the documents")
    assert "house.md" not in page.text(".turn")
    page.driver.find_element("id", "new").click()
    assert page("return new FormData(document.getElementById('ask-form')).get('path')") == ""
    page.open("/?q=When+is+the+boiler+serviced%3F&path=house.md")
    page.shows(".said", "October")
    assert page.text("#filtered") == " · in house.md"
    page.ask("And the car?")
    assert page("return document.querySelectorAll('.inherited')[1].textContent") == (
        "with boiler, serviced from before · in house.md"
    )
    page("document.querySelector('[name=after]').value = 'soon'")
    page.ask("And the car?")
    assert "'soon' is no date" in page.text(".turn:last-child .notice")
    page.faults()  # the request that was refused is one


SCROLLS = """return [...document.querySelectorAll('.turn, .turn *')].filter((each) => {
    const { overflowX, overflowY } = getComputedStyle(each);
    const scrolls = (how) => ["auto", "scroll"].includes(how);
    return (scrolls(overflowY) && each.scrollHeight > each.clientHeight)
      || (scrolls(overflowX) && each.scrollWidth > each.clientWidth); }).map((each) => each.className)"""


def test_a_long_block_is_cut_around_its_sentence(page):
    page.ask("Where is the violin?")
    assert page.text(".said") == "* The violin is below the stairs."
    shown = page.text(".quote")
    assert shown.startswith("…")
    assert len(shown) < 350
    assert page(SCROLLS) == []
    page.shows("#beside .view mark", "The violin is below the stairs.")
    assert page("return document.querySelectorAll('#beside .view p').length") > 20, "the rest is beside"


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """A folder with a table, a wide one, a calendar and a mail."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "costs.csv").write_text(
        "day,item,amount\n2026-01-05,<b>tea,12.30\n2026-01-06,oil,80\n2026-02-07,tea,4.20\n"
    )
    names = ",".join(f"column{n}" for n in range(14))
    (folder / "wide.csv").write_text(f"{names},total\n{'something,' * 14}17\n")
    times = "DTSTART:2026120{1}T180000\r\nDTEND:2026120{1}T200000"
    event = f"BEGIN:VEVENT\r\nSUMMARY:{{0}}\r\nLOCATION:hall\r\n{times}\r\nEND:VEVENT\r\n"
    events = event.format("Choir", 5) + event.format("Fair", 6)
    (folder / "a.ics").write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
    head = "From: Marta <marta@x.example>\nTo: me@x.example\nSubject: Key\nDate: Tue, 10 Mar 2026 18:20:00\n"
    (folder / "m.eml").write_text(f"{head}\nHello,\n\nThe key of the boat hangs in the office. Bring oars.\n")
    with running(folder) as live:
        yield live.url


def test_a_source_is_shown_as_what_it_is_with_its_used_parts_marked(page, things):
    other = Browser(page.driver, things)
    other.open()
    other.ask("How much was tea in total?")
    assert other.text(".number") == "16.50"
    marks = "return [...document.querySelectorAll('#beside .view mark')].map((each) => each.textContent)"
    other.shows("#beside h2", "costs.csv")
    assert other(marks) == ["2026-01-05", "<b>tea", "12.30", "2026-02-07", "tea", "4.20"]
    assert other("return [...document.querySelectorAll('#beside th')].map((each) => each.textContent)") == [
        "day",
        "item",
        "amount",
    ]
    raw = "return document.querySelector('#beside .lines').checkVisibility()"
    assert not other(raw)
    other.driver.find_element("css selector", "#beside .raw summary").click()
    assert other(raw)
    other.ask("How many events are there in December 2026?")
    lines = (
        "return [...document.querySelectorAll('.turn:last-child .events li')].map((each) => each.textContent)"
    )
    assert other(lines) == [
        "Sat 5 Dec 2026, 18:00–20:00 Choir · hall · 4",
        "Sun 6 Dec 2026, 18:00–20:00 Fair · hall · 10",
    ]
    assert other("return document.querySelectorAll('#beside .view .events li').length") == 2
    other.ask("Where does the key of the boat hang?")
    other.shows("#beside dl", "Marta <marta@x.example>")
    assert other(marks) == ["The key of the boat hangs in the office."]
    assert "Subject" not in other.text("#beside .view")
    for width in WIDTHS:
        other.size(*WIDTHS[width])
        other.ask("sum of total in wide.csv")
        assert other.text(".turn:last-child .number") == "17"
        assert other(SCROLLS) == [], width
        assert other("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (
            width
        )
    page.driver.get("about:blank")  # before the server is gone


def test_on_a_phone_the_newest_answer_stands_first(page):
    page.size(*WIDTHS["phone"])
    for message in ("hello", QUESTION, FOLLOW_UP):
        page.ask(message)
        head, top, former = page(
            """const box = (each) => document.querySelector(each)?.getBoundingClientRect();
            const former = box('.turn:nth-last-child(2)')?.bottom ?? 0;
            return [box('.top').bottom, box('.turn:last-child').top, former]"""
        )
        assert former <= head <= top < head + 40, message


def test_thumbs_confirm_and_take_back(page):
    page.ask(QUESTION)
    up, down = page.driver.find_elements("css selector", ".turn .tools button[aria-label]")
    counts, not_confirmed, no_longer = "This counts", "was not confirmed", "no longer counts"
    for thumb, told in ((down, not_confirmed), (up, counts), (up, counts), (down, no_longer)):
        thumb.click()
        page.shows(".told", told)
        assert up.get_attribute("aria-pressed") == ("true" if thumb is up else "false")


def test_copy_has_the_quote_and_its_place(page, url):
    given = {"origin": url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.driver.execute_cdp_cmd("Browser.grantPermissions", given)
    page.ask(QUESTION)
    page.driver.find_element("css selector", ".tools button").click()
    page.shows(".told", "Copied")
    read = "navigator.clipboard.readText().then(arguments[0])"
    assert page.driver.execute_async_script(read) == "“The boiler is serviced in October.” (house.md:3)"


def test_what_is_calculated_or_said_is_shown(page):
    at = {"document": "house.md", "line": 2, "column": 1}
    row = at | {"text": "milk,4.20", "context": "", "place": "row 1"}
    result = {
        "operation": "sum",
        "value": "16.50",
        "about": "amount",
        "arithmetic": "12.30 + 4.20 = 16.50",
        "unit": "€",
        "columns": ["item", "price"],
        "cells": [["<b>milk", "4.20"], ["tea", "12.30"]],
        "groups": [["<b>", "-4.20"], ["tea", "12.60"]],
        "rows": [row, row | {"line": 3}],
    }
    wording = {
        "lang": "de",
        "likely": "sehr wahrscheinlich",
        "value": "16,50 €",
        "sentence": "for <b>food</b>.",
        "arithmetic": "12,30 + 4,20 = 16,50",
        "groups": result["groups"],
    }
    dated = [["a", "2025-03-04"], ["b", "1"]]
    answer = {
        "wording": wording,
        "found": True,
        "confidence": 0.99,
        "likely": "very likely",
        "answer": None,
        "block": None,
        "passages": [],
        "note": "",
        "said": "16.50 € for <b>food</b>.",
        "result": result,
    }
    page(
        """window.answers = arguments[0]; const real = window.fetch;
        window.fetch = (path, given) => path === '/api/ask'
          ? Promise.resolve(new Response(JSON.stringify(answers.shift()))) : real(path, given)""",
        [
            answer,
            answer | {"said": "Hello. Ask about your documents.", "result": None},
            answer
            | {"result": result | {"cells": [], "groups": dated}, "wording": wording | {"groups": dated}},
        ],
    )
    page.ask("What did I spend?")
    assert page.text(".number") == "16,50 €"
    assert page.text(".saying") == "for <b>food</b>. sehr wahrscheinlich\u00a099%"
    assert page("return document.querySelector('.saying').lang") == "de"
    assert not page("return document.querySelector('.saying').innerText").endswith("99%")
    page.driver.find_element("css selector", ".sure summary").click()  # its number, on demand
    assert page("return document.querySelector('.saying').innerText").endswith("99%")
    assert page.text(".arithmetic") == "12,30 + 4,20 = 16,50"
    assert page.text(".arithmetic + .place") == "amount"
    cells = page("return [...document.querySelectorAll('.cells tr')].map((row) => row.innerText)")
    assert [row.split() for row in cells] == [
        ["<b>", "-4.20", "€"],
        ["tea", "12.60", "€"],
        ["item", "price", "line"],
        ["<b>milk", "4.20", "2"],
        ["tea", "12.30", "3"],
    ]
    bars = page("""const left = document.querySelector('.bar svg').getBoundingClientRect();
        return [...document.querySelectorAll('.bar rect')].map((bar) => {
          const { x, width } = bar.getBoundingClientRect();
          return [x - left.x, width].map((each) => Math.round(100 * each / left.width)); })""")
    assert bars == [[0, 25], [25, 75]]
    links = page("return [...document.querySelectorAll('.cells a')].map((a) => a.getAttribute('href'))")
    assert links == [f"/document?name=house.md&line={line}" for line in (2, 3)]
    page.ask("hello")
    assert page.text(".turn:last-child .saying") == "Hello. Ask about your documents."
    assert page("return document.querySelectorAll('.turn:last-child :is(.sure, .tools, .quote)').length") == 0
    talk = json.loads(page("return sessionStorage.getItem('talk')"))
    assert talk["turns"][1]["before"] == ["What did I spend?"]
    page.ask("And when?")  # rows that are texts, groups that are no numbers
    counted = "return document.querySelectorAll(`.turn:last-child :is(${arguments[0]})`).length"
    assert [page(counted, each) for each in (".others li", ".cells tr", ".bar")] == [2, 2, 0]


def test_the_words_of_a_model_are_streamed_marked_and_linked(page, folder, server):  # noqa: F811
    server.streams("In <b>October</b> [1], ", 'not "in the shed".')
    with running(folder, endpoint=Endpoint(server.url, "small")) as live:
        other = Browser(page.driver, live.url)
        other.open()
        other.ask(QUESTION)
        assert other.text(".said") == "The boiler is serviced in October."
        assert other.text(".reply h3") == "In the words of small"
        said = 'In <b>October</b> [1], not "in the shed" (not in the passages).'
        assert other.text(".words") == other.text("#told") == said
        assert other.text(".words mark") == "(not in the passages)"
        assert other.text(".warned").startswith("1 of what it cites or quotes is not")
        other.driver.find_element("link text", "[1]").click()
        other.shows(".lines mark", "The boiler is serviced in October.")
        other.driver.refresh()
        other.shows(".words", said)
        page.driver.get("about:blank")  # before the server is gone
