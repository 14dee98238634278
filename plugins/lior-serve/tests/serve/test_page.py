"""The page: without a script, and in a real browser."""

from __future__ import annotations

import re
import time
from html import escape
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

import lior_serve
from lior.interfaces import Passage, Result
from lior_ask import labels
from lior_ask.answer.selection import Answer
from lior_serve.page import _turn
from serve.browser import Browser
from serve.servers import PLAN

_MARKED = re.compile(r"\{\{(.+?)\}\}")

# --- without a script ---


def test_asking_needs_no_script(http):
    text = http.get("/", params={"q": "When is the boiler serviced?"}).text
    assert '<span class="said">The boiler is serviced in October.</span>' in text
    assert "<mark>The boiler is serviced in October.</mark>" in text
    assert 'href="/document?name=house.md&amp;line=3"' in text
    assert 'value="When is the boiler serviced?"' in text


def test_filters_of_the_address_need_no_script(of_folder):
    asked = {"q": "When is the boiler serviced?", "path": "plan.txt", "after": "2020"}
    text = of_folder.get("/", params=asked).text
    assert "October" not in text
    assert 'name="path" value="plan.txt"' in text
    reply = of_folder.get("/", params=asked | {"after": "<i>soon"})
    assert (reply.status_code, "&lt;i&gt;soon&#x27; is no date" in reply.text) == (400, True)


def test_what_is_calculated_or_said_needs_no_script():
    row = Passage(document="costs.csv", line=2, text="milk,<b>4.20", place="row 1")
    result = Result(operation="sum", value="4.20", about="amount", arithmetic="4.20 = 4.20", rows=(row,))
    answer = Answer(
        question="<i>", found=True, confidence=0.99, answer=None, passages=(), method="", result=result
    )
    text = _turn(answer)
    assert '<p class="number">4.20</p><div class="saying" lang="en">amount <details class="sure"' in text
    assert '<summary lang="en">very likely</summary>&nbsp;99%</details></div>' in text
    assert "1 row used" in text
    assert "<p>milk,&lt;b&gt;4.20</p>" in text
    assert 'line=2" title="costs.csv:2">costs.csv:2</a> · row 1' in text
    assert '<p class="saying" lang="en">Hello</p></article>' in _turn(
        attrs.evolve(answer, result=None, said="Hello")
    )
    groups = ("<i>", "-1.00"), ("b", "3.00")
    more = attrs.evolve(
        result, unit="<€>", columns=("<b>item", "x"), cells=(("<b>milk", "4.20"),), groups=groups
    )
    text = _turn(attrs.evolve(answer, result=more, said="4.20 <€> for <b>milk."))
    assert (
        '<p class="number">4.20 &lt;€&gt;</p><div class="saying" lang="en">for &lt;b&gt;milk. <details'
        in text
    )
    assert '<th scope="col" class="long">&lt;b&gt;item</th>' in text
    cells = '&lt;b&gt;milk</td><td data-name="x" class="short">4.20</td><td data-name="line"><a'
    assert f'<td data-name="&lt;b&gt;item" class="long">{cells}' in text
    bars = [f'<rect x="{x}%" width="{width}%" height="100%"/>' for x, width in ((0, 25), (25, 75))]
    for (name, value), bar in zip(groups, bars, strict=True):
        shown = f"{escape(name)}: {value} &lt;€&gt;"
        assert f'<svg role="img"><title>{shown}</title>{bar}</svg>' in text
    more = attrs.evolve(more, groups=(("a", "2025-03-04"),), value="a 2025-03-04")
    text = _turn(attrs.evolve(answer, result=more, said="b"))
    assert not re.search('<svg|<p class="number"', text)


def test_what_is_not_found_is_said_without_a_script(http):
    assert (
        "Nothing in the documents speaks of it" in http.get("/", params={"q": "quantum chromodynamics"}).text
    )
    reply = http.get("/", params={"q": "what is the"})
    assert reply.status_code == 400
    assert "no word to look for" in reply.text


def test_documents_are_listed_and_read_without_a_script(http):
    text = http.get("/documents", params={"search": "NOTE", "count": 5}).text
    assert len(re.findall(r"<a href=\"/document\?name=note", text)) == 5
    assert 'href="/documents?search=NOTE&amp;offset=5&amp;count=5"' in text
    text = http.get("/document", params={"name": "house.md", "line": 5}).text
    assert '<li value="5"><mark>' not in text
    assert "The car is serviced in May." in text
    assert http.get("/document", params={"name": "house.md", "line": 0}).status_code == 400
    assert '<p class="place">1 line</p>' in http.get("/document", params={"name": "plan.txt"}).text


def test_a_long_document_is_read_in_parts_without_a_script(editable):
    with editable.client as client:
        text = "".join(f"The number of this line is {number}.\n" for number in range(1, 501))
        assert client.put("/api/document?name=long.txt", content=text.encode()).status_code == 200
        seen, address = [], "/document?name=long.txt"
        while address:
            page = client.get(address).text
            seen += re.findall(r'<li value="(\d+)"', page)
            found = re.search(r'<a href="([^"]+)">later lines', page)
            address = found and found[1].replace("&amp;", "&")
        assert list(map(int, seen)) == list(range(1, 501))
        back = re.search(r'<a href="([^"]+)">earlier lines', page)[1].replace("&amp;", "&")
        assert re.findall(r'<li value="(\d+)"', client.get(back).text)[0] == "201"


def test_files_of_the_page_are_asked_for_once(http):
    first = http.get("/static/page.css")
    assert first.headers["Content-Type"].startswith("text/css")
    assert http.get("/static/page.css", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_each_text_of_the_frame_is_replaced(http):
    for path in ("/", "/?q=boiler", "/documents", "/docs", "/document?name=plan.txt"):
        assert not re.search(r"\$[a-z_]+", http.get(path).text)


def test_programs_find_all_operations(http):
    api = http.get("/openapi.json").json()
    assert {"/api/ask", "/v1/completions", "/api/document"} <= api["paths"].keys()
    assert api["paths"]["/api/document"].keys() == {"get", "put", "delete"}
    for entries in api["paths"].values():
        for entry in entries.values():
            assert entry["summary"].endswith(".")
    references = set(re.findall(r"#/components/schemas/(\w+)", str(api)))
    assert references <= api["components"]["schemas"].keys()
    assert "/api/ask" in http.get("/docs").text


def test_a_browser_takes_it_as_a_search_engine(of_folder):
    """At the address that was asked; a host that is not served is refused before."""
    assert 'rel="search" type="application/opensearchdescription+xml"' in of_folder.get("/").text
    for host in ("localhost:99", "127.0.0.1:1"):
        reply = of_folder.get("/opensearch.xml", headers={"Host": host})
        assert reply.headers["Content-Type"].startswith("application/opensearchdescription+xml")
        found = ElementTree.fromstring(reply.text).find("{*}Url").get("template")
        assert found == f"http://{host}/?q={{searchTerms}}"
    assert of_folder.get("/opensearch.xml", headers={"Host": "evil.example"}).status_code == 421


# --- in a browser ---

selenium = pytest.mark.slow


@pytest.fixture
def page(editable, chromium):
    browser = Browser(chromium, editable.url)
    browser.faults()
    yield browser
    chromium.get("about:blank")
    assert not [each for each in browser.faults() if "409" not in each["message"]]


@selenium
def test_all_of_it_by_the_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    page.open()
    page.until("return document.activeElement.id === 'question'")
    page.press("When is the boiler serviced?", Keys.ENTER)
    page.shows(".quote", "October")
    for _ in range(12):
        page.press(Keys.TAB)
        if page("return document.activeElement.classList.contains('sources')"):
            break
    page.press(Keys.ENTER)
    page.until("return document.activeElement.className === 'word'")
    page.until("return !document.getElementById('tip').hidden")
    assert "house.md:3" in page.text("#tip")
    page.press(Keys.ARROW_RIGHT)
    assert page("return document.activeElement.textContent") == "boiler"
    page.press(Keys.ESCAPE)
    assert page("return document.getElementById('tip').hidden")
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    page.until("return document.activeElement.id === 'beside'")


@selenium
def test_a_file_is_learned_by_dropping_it_and_forgotten(page):
    page.open("/documents")
    page("window.confirm = () => true")
    page.drop("key.txt", "The key of the observatory hangs behind the blue clock.")
    page.shows("#jobs", "learned: 55 bytes")
    page.shows("#list", "key.txt")
    page.drop("key.txt", "The key of the observatory is lost.")
    page.shows("#jobs", "learned: 35 bytes")
    page.drop("bad.txt", "\0\1\2\3" * 100)
    page.until("return document.querySelector('#jobs .failed')")
    page.driver.find_element("css selector", "[data-open=ask]").click()
    page.ask("Where is the key of the observatory?")
    page.shows(".quote", "is lost")
    page.driver.find_element("css selector", "[data-open=documents]").click()
    page.until("""const forget = document.querySelector('[aria-label="Forget key.txt"]');
        forget?.click(); return Boolean(forget)""")  # the list may be made anew meanwhile
    page.shows("#jobs", "forgotten")
    page.until("return !document.getElementById('list').textContent.includes('key.txt')")
    page.faults()  # the file that was refused is one


@selenium
def test_a_continuation_is_stopped_and_survives_a_reload(page, editable):
    page.open("/#continue")
    page.driver.find_element("id", "prompt").send_keys("Note 3: the")
    page("document.getElementById('length').value = 4096")
    page.driver.find_element("css selector", "#continue-form .main").click()
    page.until("return document.getElementById('drawn').textContent.length > 60")
    page.driver.find_element("id", "stop").click()
    page.shows("#drawn-note", "Stopped")
    page.until("return document.querySelectorAll('#drawn .word').length > 3")
    ended(editable)
    page.driver.find_element("css selector", "#continue-form .main").click()
    page.until("return document.getElementById('drawn').textContent.length > 60")
    page.driver.refresh()
    page.until("return document.documentElement.classList.contains('scripted')")
    ended(editable)


def ended(live):
    """The server soon draws nothing more."""
    end = time.monotonic() + 5
    while live.server.model.streams and time.monotonic() < end:
        time.sleep(0.02)
    assert live.server.model.streams == 0


@selenium
def test_two_tabs_at_once(page):
    first = page.driver.current_window_handle
    page.open()
    page.driver.switch_to.new_window("tab")
    page.open("/documents")
    others = "".join(f"Line {number} speaks of something else.\n\n" for number in range(40))
    page.drop("key.txt", f"{others}The key of the observatory hangs behind the blue clock.\n\n{others}")
    page.driver.switch_to.window(first)
    page.ask("When is the boiler serviced?")
    page.shows(".quote", "October")
    page.driver.switch_to.window(page.driver.window_handles[1])
    page.shows("#jobs", "learned: ")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.ask("Where does the key of the observatory hang?")
    page.shows(".turn:last-child .quote", "blue clock")
    page.until("""const box = document.getElementById("beside").getBoundingClientRect();
        const mark = document.querySelector(".lines mark")?.getBoundingClientRect();
        return mark && mark.top >= box.top && mark.bottom <= box.bottom;""")


@selenium
def test_surprise_is_coloured(page):
    page.open("/#surprise")
    page.driver.find_element("id", "text").send_keys(PLAN.strip() + " Zymurgy quaffed xylophones.")
    page.driver.find_element("css selector", "#surprise-form .main").click()
    page.shows("#scored-note", "bits per byte")
    assert page.text("#scored") == PLAN.strip() + " Zymurgy quaffed xylophones."
    shade = (
        "return [...document.querySelectorAll('#scored [class^=shade]')]"
        ".find((e) => e.textContent === arguments[0])?.className"
    )
    assert page(shade, "xylophones.") in ("shade3", "shade4")
    assert page(shade, "fourth") is None


@selenium
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_fault_of_accessibility(page, scheme, width):
    axe = pytest.importorskip("axe_selenium_python", reason="axe is not installed")
    script = (Path(axe.__file__).parent / "node_modules" / "axe-core" / "axe.min.js").read_text()
    page.size(width, 900, scheme)
    for path, there in (
        ("/?q=boiler+serviced", ".quote"),
        ("/?q=quantum+chromodynamics", ".notice"),
        ("/documents", "#list a"),
        ("/#continue", "#prompt"),
        ("/#surprise", "#text"),
        ("/docs", "#api td"),
    ):
        page.open(path)
        page.until("return document.querySelector(arguments[0])", there)
        if "boiler" in path:
            page.until("return document.querySelector('.sources')").click()
            page.until("return !document.getElementById('tip').hidden")
        page(script)
        found = page.driver.execute_async_script(
            "axe.run({ resultTypes: ['violations'] }).then((r) => arguments[0](r.violations))"
        )
        serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, path
        wide = page("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is wider than the screen"
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(
    ("accepted", "language", "shown"),
    [
        (
            "de-CH, de;q=0.9, en;q=0.5",
            "de",
            ["Was möchten Sie wissen?", "Fragen Sie in", "Stellen"],
        ),
        ("ja, fr;q=0.8, de;q=0.2", "fr", ["Que voulez-vous savoir ?", "documents sont lus", "Filtres"]),
        ("en;q=0.1,es", "es", ["¿Qué desea saber?", "Preguntar", "Documentos leídos: "]),
        ("de;q=0, pt", "en", ["What would you like to know?", "documents are read"]),
        ("", "en", ["What would you like to know?"]),
        ("*, ;;q=x, " + "a," * 9000, "en", ["What would you like to know?"]),
    ],
)
def test_labels_are_in_the_language_of_the_browser(of_folder, accepted, language, shown):
    reply = of_folder.get("/", headers={"Accept-Language": accepted})
    text = reply.text
    assert reply.headers["vary"] == "Accept-Language"
    assert f'<html lang="{language}"' in text
    assert all(part in text for part in shown)
    assert "{{" not in text[text.index("<head>") :]


def test_what_stands_around_an_answer_is_in_the_language_of_the_question(of_folder):
    asked = {"q": "Wann wird der boiler gewartet oder repariert?"}
    text = of_folder.get("/", params=asked, headers={"Accept-Language": "es"}).text
    assert "Die nächsten Stellen" in text or "weitere Stelle" in text
    assert "líneas</p>" in text  # of the document beside it, a part of the page


def test_every_label_is_known():
    known = {text for each in labels().values() for text in each}
    package = Path(lior_serve.__file__).parent
    html = package.joinpath("page.html").read_text("utf-8")
    used = {re.sub(r"\$[a-z]+", "{}", each) for each in _MARKED.findall(html)}
    scripts = "".join(file.read_text("utf-8") for file in package.glob("static/*.js"))
    used |= {*re.findall(r'(?<!\.)say\("([^"]+)"', scripts)}
    used |= {*chain.from_iterable(re.findall(r'counted\([^,]+, "([^"]+)", "([^"]+)"', scripts))}
    assert len(used) > 70
    assert not used - known


def test_a_text_in_another_language_than_the_page_says_so():
    quoted = Passage(document="a.md", line=1, text="Le tirage des bateaux est interdit dans la cale.")
    told = {"question": "?", "found": True, "confidence": 0.95, "method": "", "passages": ((quoted, 0.9),)}
    text = _turn(Answer(answer=quoted, language="german", **told))
    assert '<blockquote class="quote" lang="fr">' in text
    assert '<summary lang="de">sehr wahrscheinlich</summary>' in text
    refused = Answer(answer=None, note="x", language="spanish", **told | {"found": False})
    assert '<p class="notice" lang="es">Los documentos no hablan de eso: x.</p>' in _turn(refused)
    assert '<li><p lang="fr">Le tirage' in _turn(refused)


def test_an_overview_is_a_list_with_dates():
    places = (
        Passage(document="log.txt", line=2, text="<b>painted"),
        Passage(document="a.md", line=1, text="old"),
    )
    answer = Answer(
        question="?",
        found=True,
        confidence=0.8,
        answer=None,
        passages=tuple((each, 0.5) for each in places),
        dates=("2025-06-02 10:00:00", ""),
        method="",
        said="2 places speak of it:",
    )
    text = _turn(answer)
    assert (
        '<p class="saying" lang="en">2 places speak of it:</p><ol class="others"><li><p>&lt;b&gt;painted</p>'
        in text
    )
    assert 'line=2" title="log.txt:2">log.txt:2</a> · 2025-06-02 10:00</div>' in text
    assert 'line=1" title="a.md:1">a.md:1</a></div>' in text
    assert "<details" not in text
