"""The web page: questions and documents as HTML; the script in ``static`` adds the rest.

Every text of a document goes through :func:`html.escape`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from html import escape
from importlib.resources import files
from string import Template
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lior.errors import LiorError, quantity
from lior.interfaces import Passage, Result
from lior_ask import (
    EVENT,
    LONGEST_QUESTION,
    SEARCH_DEPTH,
    Answer,
    bars,
    code,
    code_of,
    event_time,
    headline,
    in_words,
    label,
    labels,
    refusal,
    shown,
)
from lior_serve import documents
from lior_serve.errors import HTTPError, http_error
from lior_serve.labels import preferred_by
from lior_serve.schema import AskRequest, LinesRequest, ListRequest
from lior_serve.server import Server

_OF_MODELS = re.compile(r"<!-- model -->.*?<!-- /model -->\n", re.DOTALL)
"""A pattern of the parts of the page that need a model."""
_LABEL = re.compile(r"\{\{(.+?)\}\}")
"""A pattern of a label of the page in ``page.html``."""
_SHORT_NAME = 16
"""The maximum number of characters of a short name in OpenSearch 1.1."""
_OPENSEARCH = """<?xml version="1.0" encoding="UTF-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
  <ShortName>{short}</ShortName>
  <Description>Ask the documents of {name}</Description>
  <InputEncoding>UTF-8</InputEncoding>
  <Image width="16" height="16" type="image/svg+xml">{url}/static/icon.svg</Image>
  <Url type="text/html" template="{url}/?q={{searchTerms}}"/>
</OpenSearchDescription>
"""
_FILTERS = "sender", "after", "before", "kind", "path"
"""Fields of the form and of the address that restrict the search for an answer."""
_NEAREST = 3
"""The number of passages that are shown if none answers."""
_NEAR, _LETTERS = 4, 280
"""Maximum number of lines and of characters of a block before a quotation, and after it."""
_SHORT = re.compile(r"(?:[\W\d_]){1,20}")
"""A pattern of a number or a date, which is never divided."""
_PHONE, _DESK = 3, 6
"""Numbers of columns above which a table has a line for each cell; the script measures words instead."""


def routes(server: Server, api: Mapping[str, Any]) -> list[BaseRoute]:
    """Return the routes of the page."""
    page = Page(server, api)
    return [
        Route("/", page.ask),
        Route("/documents", page.documents),
        Route("/document", page.document),
        Route("/docs", page.api),
        Route("/opensearch.xml", page.opensearch),
        Mount("/static", StaticFiles(packages=[("lior_serve", "static")])),
    ]


class Page:
    """The handlers of the web page."""

    def __init__(self, server: Server, api: Mapping[str, Any]) -> None:
        self._server, self._api = server, api
        html = files("lior_serve").joinpath("page.html").read_text("utf-8")
        model: bool = server.source.state()["model"]
        self._html = html if model else _OF_MODELS.sub("", html)
        self._frame = cache(self._worded)

    def _worded(self, language: str) -> Template:
        """Return the page with its labels in a language."""
        return Template(_LABEL.sub(lambda found: escape(label(found[1], language)), self._html))

    def _framed(
        self,
        request: Request,
        pane: str,
        status: int = 200,
        filters: Mapping[str, str] = MappingProxyType({}),
        **parts: str,
    ) -> Response:
        """Return the whole page with one pane open; texts in ``parts`` are HTML."""
        state, language = self._server.state(), preferred_by(request)
        found = {
            "lang": code(language),
            "labels": escape(json.dumps(labels(), ensure_ascii=False)),
            "run": escape(state["name"]),
            "pane": pane,
            "begun": "begun" if parts.get("talk") or parts.get("beside") else "",
            **dict.fromkeys(("question", "talk", "beside", "list", "api", *_FILTERS), ""),
            "filtering": "".join(f" · {escape(each)}" for each in filters.values()),
            **{name: escape(value) for name, value in filters.items()},
            "composer": escape(state["composer"]),
            "collections": "".join(
                f"<option>{escape(each['name'])}</option>" for each in state["collections"]
            ),
            "documents": f"{state['documents']:,}",
            "passages": f"{state['passages']:,}",
            "editable": "yes" if state["editable"] else "no",
            "confirms": "yes" if state["confirms"] else "no",
            "longest_question": str(LONGEST_QUESTION),
            "longest_name": str(self._server.limits.name),
            "most_tokens": str(self._server.limits.tokens),
            "model": "yes" if state["model"] else "no",
            "dated": escape(label("Learned" if state["model"] else "Changed", language)),
            "lost": "".join(f"<li>{escape(each)}</li>" for each in state["lost"]),
            **{f"open_{name}": "" if name == pane else "hidden" for name in ("ask", "documents", "api")},
            **{f"at_{name}": 'aria-current="page"' if name == pane else "" for name in ("ask", "documents")},
        }
        html = self._frame(language).substitute(found | parts)
        return HTMLResponse(html, status, {"Vary": "Accept-Language"})

    def _refused(
        self,
        request: Request,
        pane: str,
        error: Exception,
        filters: Mapping[str, str] = MappingProxyType({}),
        question: str = "",
    ) -> Response:
        """Return the page with an error in one pane."""
        refusal = http_error(error)
        part = {"ask": "talk", "documents": "list"}[pane]
        return self._framed(
            request, pane, refusal.status, filters, question=escape(question), **{part: _notice(str(refusal))}
        )

    async def ask(self, request: Request) -> Response:
        """Return the page with the input field, and the answer to the question in the address."""
        question = request.query_params.get("q", "").strip()
        filters = {name: value for name in _FILTERS if (value := request.query_params.get(name, "").strip())}
        if not question:
            return self._framed(request, "ask", filters=filters)
        version = await self._server.latest()
        try:
            form = AskRequest.model_validate({"question": question, "top": SEARCH_DEPTH, **filters})
            answer = await self._server.ask(version, form.question, form.top, form.filters)
        except (ValidationError, LiorError) as error:
            return self._refused(request, "ask", error, filters, question[:LONGEST_QUESTION])
        rows = answer.result.rows if answer.result else ()
        beside = answer.answer or next(iter((*rows, *(passage for passage, _ in answer.passages))), None)
        show = documents.lines_if_readable
        around = await self._server.in_executor(show, version, beside) if beside else None
        lines = _lines(around, preferred_by(request)) if around else ""
        said, question = _turn(answer), escape(question)
        return self._framed(request, "ask", filters=filters, question=question, talk=said, beside=lines)

    async def documents(self, request: Request) -> Response:
        """Return the documents."""
        try:
            form = ListRequest.model_validate(dict(request.query_params))
        except ValidationError as error:
            return self._refused(request, "documents", error)
        found, say = documents.list_documents(await self._server.latest(), form), _sayer(request)
        rows = "".join(
            f'<tr><td><a href="{_address(each["name"])}">{escape(each["name"])}</a></td>'
            f"<td>{each['bytes']:,}</td><td>{escape(each['added'] or say('in training'))}</td></tr>"
            for each in found["documents"]
        )
        end = form.offset + len(found["documents"])
        if end < found["total"]:
            more = urlencode({"search": form.search, "offset": end, "count": form.count})
            rows += f'<tr><td colspan="3"><a href="/documents?{escape(more)}">{say("more")}</a></td></tr>'
        return self._framed(request, "documents", list=rows)

    async def document(self, request: Request) -> Response:
        """Return the lines of a document."""
        version = self._server.version
        try:
            form = LinesRequest.model_validate(dict(request.query_params))
            name, begin = self._server.document(version, form.name), max(form.line - documents.AROUND, 1)
            read = documents.document_lines
            found = await self._server.in_executor(read, version, name, begin, form.count)
        except (ValidationError, HTTPError, LiorError) as error:
            return self._refused(request, "ask", error)
        first, end = found["first"], found["first"] + len(found["lines"]) - 1
        ways, say = (
            [("earlier lines", max(first - form.count + documents.AROUND, 1))] * (first > 1),
            _sayer(request),
        )
        ways += [("later lines", end + 1 + documents.AROUND)] * (end < found["total"])
        links = " · ".join(f'<a href="{_address(name, line)}">{say(text)}</a>' for text, line in ways)
        text = _lines(found | {"mark": {"line": form.line, "end_line": 0}}, preferred_by(request))
        return self._framed(request, "ask", beside=f'{text}<p class="place">{links}</p>')

    async def api(self, request: Request) -> Response:
        """Return the page with the operations for programs."""
        rows = "".join(
            f"<tr><td><code>{method.upper()} {escape(path)}</code></td>"
            f"<td>{escape(entry['summary'])}</td></tr>"
            for path, entries in self._api["paths"].items()
            for method, entry in entries.items()
        )
        return self._framed(request, "api", api=rows)

    async def opensearch(self, request: Request) -> Response:
        """Return the description with which a browser adds the page as a search engine.

        The address is that of the request, whose host name the middleware has checked.
        """
        name, url = self._server.source.name, escape(str(request.base_url).rstrip("/"))
        text = _OPENSEARCH.format(short=escape(name[:_SHORT_NAME]), name=escape(name), url=url)
        return Response(text, media_type="application/opensearchdescription+xml")


def _sayer(request: Request) -> Callable[[str], str]:
    """Return a function that returns a label in the language of the page."""
    return partial(label, language=preferred_by(request))


def _notice(text: str, lang: str = "") -> str:
    return f'<p class="notice"{_lang(lang)}>{escape(text)}</p>'


def _turn(answer: Answer) -> str:
    """Return HTML of a question and its answer, as the script shows them."""
    if answer.said or answer.result:
        head = _spoken(answer)
    elif answer.answer:
        head = (
            f'<blockquote class="quote"{_lang(code_of(answer.answer.text))}>{_quote(answer)}</blockquote>'
            f"{_where(answer.answer, _sure(answer))}"
        )
    else:
        head = _notice(refusal(answer), code(answer.language))
    others = [passage for passage, _ in answer.passages if passage != answer.answer]
    others = [] if answer.result else others if answer.answer or answer.dates else others[:_NEAREST]
    more = quantity(len(others), "more passage")
    title = label(more if answer.answer else "The nearest passages", answer.language)
    shown = _details(title, _list(others), open=not answer.answer and not answer.said)
    shown = _list(others, answer.dates) if answer.dates else shown
    return f'<article class="turn"><h2 class="asked">{escape(answer.question)}</h2>{head}{shown}</article>'


def _spoken(answer: Answer) -> str:
    """Return HTML of a calculation, or of the reply in place of a quotation."""
    result = answer.result
    if result is None:
        return f'<p class="saying"{_lang(code(answer.language))}>{escape(answer.said)}</p>'
    exact, result = result, shown(result, answer.language)
    value, sentence = map(escape, headline(answer))
    said = f'<p class="number">{value}</p>' * bool(value)
    said += f'<div class="saying"{_lang(code(answer.language))}>{sentence}{_sure(answer)}</div>'
    if result.arithmetic:
        said += f'<p class="arithmetic">{escape(result.arithmetic)}</p>'
    said += f'<p class="place">{escape(result.about)}</p>'
    count = len(result.rows)
    events = exact.columns == EVENT
    used = _table(result, answer.language, events=events) if result.cells else _list(result.rows)
    rows = label(f"{quantity(count, 'row')} used", answer.language)
    return said + _chart(result, exact) + _details(rows, used, open=count <= 10)


def _table(result: Result, language: str, *, events: bool) -> str:
    """Return HTML of the rows of a calculation with their header and lines; events are lines of a diary."""
    several = len({row.document for row in result.rows}) > 1
    links = [_link(row, f"{row.document}:" * several) for row in result.rows]
    if events:
        told = (
            (event_time(begin, end, language), " · ".join(filter(None, parts)))
            for begin, end, *parts in result.cells
        )
        lines = (f"<b>{escape(time)}</b> {escape(text)}" for time, text in told)
        rows = "".join(f"<li>{line} · {link}</li>" for line, link in zip(lines, links, strict=True))
        return f'<ul class="others events">{rows}</ul>'
    head = "".join(f'<th scope="col" class="long">{escape(name)}</th>' for name in result.columns)
    rows, line = "", escape(label("line", language))
    for row, link in zip(result.cells, links, strict=True):
        for name, cell in zip(result.columns, row, strict=False):
            kind = "none" if not cell else "short" if _SHORT.fullmatch(cell) else "long"
            rows += f'<td data-name="{escape(name)}" class="{kind}">{escape(cell)}</td>'
        rows += f'<td data-name="{line}">{link}</td></tr><tr>'
    size = "wide" if len(result.columns) > _DESK else "many" if len(result.columns) > _PHONE else ""
    head, rows = f'<tr>{head}<th scope="col">{line}</th></tr>', rows.removesuffix("<tr>")
    return f'<table class="cells rows {size}">{head}<tr>{rows}</table>'


def _chart(result: Result, exact: Result) -> str:
    """Return HTML of the groups of a calculation: name, value and, if all ``exact`` ones are numbers, bar."""
    drawn = bars(exact.groups)
    zero, lengths = drawn or (0, [0.0] * len(result.groups))
    rows = ""
    for (name, value), length in zip(result.groups, lengths, strict=True):
        number = escape(f"{value} {result.unit}".strip())
        row = f'<th scope="row">{escape(name)}</th><td class="number">{number}</td>'
        if drawn:
            x, width = 100 * (zero + min(length, 0)), 100 * abs(length)
            title = f"<title>{escape(name)}: {number}</title>"
            bar = f'<rect x="{x:.4g}%" width="{width:.4g}%" height="100%"/>'
            row += f'<td class="bar"><svg role="img">{title}{bar}</svg></td>'
        rows += f"<tr>{row}</tr>"
    return f'<table class="cells bars">{rows}</table>' * bool(rows)


def _sure(answer: Answer) -> str:
    """Return the confidence as a word, which shows its number when it is opened."""
    likely, word = in_words(answer.confidence), in_words(answer.confidence, answer.language)
    number, lang = f"{answer.confidence:.0%}", _lang(code(answer.language))
    summary = f"<summary{lang}>{word}</summary>"
    return f' <details class="sure" data-likely="{likely}">{summary}&nbsp;{number}</details>'


def _lang(code: str) -> str:
    """Return the attribute with the language of a text, or nothing if it is unknown."""
    return f' lang="{code}"' * bool(code)


def _list(passages: Sequence[Passage], dates: Sequence[str] = ()) -> str:
    """Return HTML of passages with their places, and their dates if there are any."""
    more = [f" · {date[:16]}" * bool(date) for date in dates] or [""] * len(passages)
    each = (
        f"<li><p{_lang(code_of(p.text))}>{escape(p.text)}</p>{_where(p, when)}</li>"
        for p, when in zip(passages, more, strict=True)
    )
    rows = "".join(each)
    return f'<ol class="others">{rows}</ol>' * bool(rows)


def _details(title: str, shown: str, *, open: bool) -> str:
    """Return HTML below a title that opens and closes it."""
    return f'<details class="also"{" open" * open}><summary>{title}</summary>{shown}</details>' * bool(shown)


def _quote(answer: Answer) -> str:
    """Return HTML of the quoted sentence in its block."""
    block = answer.block
    if block is None:
        return escape(answer.answer.text if answer.answer else "")
    parts = block.text[: block.begin], block.text[block.begin : block.end], block.text[block.end :]
    before, said, after = parts
    around = (
        "\n".join(before.split("\n")[-_NEAR:])[-_LETTERS:],
        "\n".join(after.split("\n")[:_NEAR])[:_LETTERS],
    )
    ends = "…" * (around[0] != before) + around[0], around[1] + "…" * (around[1] != after)
    shown = (f'<span class="around">{escape(each)}</span>' if each else "" for each in ends)
    return f'<span class="said">{escape(said)}</span>'.join(shown)


def _where(passage: Passage, more: str = "") -> str:
    place = f" · {escape(passage.place)}" if passage.place else ""
    return f'<div class="place">{_link(passage, f"{passage.document}:")}{place}{more}</div>'


def _link(passage: Passage, name: str) -> str:
    """Return a link to a passage in its document: a name before the number of its line."""
    place = escape(f"{passage.document}:{passage.line}")
    address = _address(passage.document, passage.line)
    return f'<a href="{address}" title="{place}">{escape(name)}{passage.line}</a>'


def _address(name: str, line: int = 1) -> str:
    return escape(f"/document?{urlencode({'name': name, 'line': line})}")


def _lines(found: Mapping[str, Any], language: str) -> str:
    """Return HTML of a document's lines with their numbers, and of the marked passage."""
    mark = found["mark"]
    rows: Iterable[str] = (
        f'<li value="{number}">{_mark(line, number, mark)}</li>'
        for number, line in enumerate(found["lines"], found["first"])
    )
    size = label(quantity(found["total"], "line"), language)
    head = f'<div class="head"><div><h2>{escape(found["name"])}</h2><p class="place">{size}</p></div></div>'
    return f'{head}<ol class="lines">{"".join(rows)}</ol>'


def _mark(line: str, number: int, mark: Mapping[str, int]) -> str:
    """Return a line, escaped, with the passage in it marked."""
    first, last = mark["line"], mark["end_line"]
    if not first <= number <= last:
        return escape(line)
    begin = mark.get("column", 1) - 1 if number == first else 0
    end = mark.get("end_column", len(line) + 1) - 1 if number == last else len(line)
    return f"{escape(line[:begin])}<mark>{escape(line[begin:end])}</mark>{escape(line[end:])}"
