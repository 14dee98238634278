"""The web page: questions and documents as HTML; the script in ``static`` adds the rest.

Every text of a document goes through :func:`html.escape`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from mimetypes import guess_type
from string import Template
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from lior.ask.answering import LONGEST_QUESTION, Answer
from lior.errors import LiorError
from lior.interfaces import Passage
from lior.serve import documents
from lior.serve.errors import HTTPError, http_error
from lior.serve.schema import AskRequest, LinesRequest, ListRequest
from lior.serve.server import Server

_OF_MODELS = re.compile(r"<!-- model -->.*?<!-- /model -->\n", re.DOTALL)
"""Parts of the page that need a model."""


def routes(server: Server, api: Mapping[str, Any]) -> list[BaseRoute]:
    """The addresses of the page."""
    page = Page(server, api)
    return [
        Route("/", page.ask),
        Route("/documents", page.documents),
        Route("/document", page.document),
        Route("/docs", page.api),
        Route("/static/{name}", page.static),
    ]


class Page:
    """The handlers of the web page."""

    def __init__(self, server: Server, api: Mapping[str, Any]) -> None:
        self._server, self._api = server, api
        folder = files("lior.serve").joinpath("static")
        html = folder.joinpath("page.html").read_text("utf-8")
        model: bool = server.source.state()["model"]
        self._frame = Template(html if model else _OF_MODELS.sub("", html))
        self._files = {each.name: each.read_bytes() for each in folder.iterdir() if each.name[-5:] != ".html"}

    def _framed(self, pane: str, status: int = 200, **parts: str) -> Response:
        """The whole page with one pane open."""
        state = self._server.source.state()
        found = {
            "run": escape(state["name"]), "pane": pane, "question": "", "answer": "", "beside": "",
            "others": "", "list": "", "api": "", "documents": f"{state['documents']:,}",
            "passages": f"{state['passages']:,}", "editable": "yes" if state["editable"] else "no",
            "longest_question": str(LONGEST_QUESTION), "longest_name": str(self._server.limits.name),
            "most_tokens": str(self._server.limits.tokens),
            "model": "yes" if state["model"] else "no", "dated": "Learned" if state["model"] else "Changed",
            "lost": "".join(f"<li>{escape(each)}</li>" for each in state["lost"]),
            **{f"open_{name}": "" if name == pane else "hidden" for name in ("ask", "documents", "api")},
            **{f"at_{name}": 'aria-current="page"' if name == pane else "" for name in ("ask", "documents")},
        }  # fmt: skip
        return HTMLResponse(self._frame.substitute(found | parts), status)

    async def ask(self, request: Request) -> Response:
        """The box for questions, and the answer to the one in the address."""
        question = request.query_params.get("q", "").strip()
        if not question:
            return self._framed("ask")
        version = await self._server.latest()
        try:
            form = AskRequest(question=question, top=5)
            answer = await self._server.ask(version, form.question, form.top)
        except ValidationError:
            return self._framed("ask", 400, question=escape(question[:200]), answer=_notice("too long"))
        except LiorError as error:
            refusal = http_error(error)
            return self._framed(
                "ask", refusal.status, question=escape(question), answer=_notice(str(refusal))
            )
        beside = answer.answer or next((passage for passage, _ in answer.passages), None)
        shown = await self._server.in_executor(documents.passage_lines, version, beside) if beside else None
        (said, others), lines = _answer(answer), _lines(shown) if shown else ""
        return self._framed("ask", question=escape(question), answer=said, others=others, beside=lines)

    async def documents(self, request: Request) -> Response:
        """The documents."""
        try:
            form = ListRequest.model_validate(dict(request.query_params))
        except ValidationError:
            return self._framed("documents", 400, list=_notice("search, offset or count is out of range"))
        found = documents.list_documents(await self._server.latest(), form)
        rows = "".join(
            f'<tr><td><a href="{_address(each["name"])}">{escape(each["name"])}</a></td>'
            f"<td>{each['bytes']:,}</td><td>{escape(each['added'] or 'in training')}</td></tr>"
            for each in found["documents"]
        )
        end = form.offset + len(found["documents"])
        if end < found["total"]:
            more = urlencode({"search": form.search, "offset": end, "count": form.count})
            rows += f'<tr><td colspan="3"><a href="/documents?{escape(more)}">more</a></td></tr>'
        return self._framed("documents", list=rows)

    async def document(self, request: Request) -> Response:
        """Lines of a document."""
        version = self._server.version
        try:
            form = LinesRequest.model_validate(dict(request.query_params))
            name = self._server.document(version, form.name)
        except ValidationError:
            return self._framed("ask", 400, answer=_notice("a name, and lines from 1 on are allowed"))
        except HTTPError as refusal:
            return self._framed("ask", refusal.status, answer=_notice(str(refusal)))
        found = await self._server.in_executor(
            documents.document_lines, version, name, max(form.line - documents.AROUND, 1), form.count
        )
        first, end = found["first"], found["first"] + len(found["lines"]) - 1
        ways = [("earlier lines", max(first - form.count + documents.AROUND, 1))] * (first > 1)
        ways += [("later lines", end + 1 + documents.AROUND)] * (end < found["total"])
        links = " · ".join(f'<a href="{_address(name, line)}">{text}</a>' for text, line in ways)
        text = _lines(found | {"mark": {"line": form.line, "end_line": 0}})
        return self._framed("ask", beside=f'{text}<p class="place">{links}</p>')

    async def api(self, request: Request) -> Response:
        """The operations that programs use."""
        rows = "".join(
            f"<tr><td><code>{method.upper()} {escape(path)}</code></td>"
            f"<td>{escape(entry['summary'])}</td></tr>"
            for path, entries in self._api["paths"].items()
            for method, entry in entries.items()
        )
        return self._framed("api", api=rows)

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(404)
        data = self._files[name]
        mark = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": mark, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == mark:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=guess_type(name)[0], headers=headers)


def _notice(text: str) -> str:
    return f'<p class="notice">{escape(text)}</p>'


def _answer(answer: Answer) -> tuple[str, str]:
    """HTML of the answer and of the other passages, as the script shows them."""
    if answer.answer:
        sure = f"{answer.confidence:.0%} sure"
        quote = f'<blockquote class="quote">{_quote(answer)}</blockquote>'
        head = f'{quote}<p class="place">{_where(answer.answer)} · {sure}</p>'
    else:
        head = f'<p class="notice">Nothing in the documents speaks of it: {escape(answer.note)}.</p>'
    others = [passage for passage, _ in answer.passages if passage != answer.answer]
    rows = "".join(
        f'<li><p>{escape(passage.text)}</p><p class="place">{_where(passage)}</p></li>' for passage in others
    )
    title = "Also" if answer.answer else "The nearest"
    return head, f'<h3>{title}</h3><ol class="others">{rows}</ol>' if rows else ""


def _quote(answer: Answer) -> str:
    """The sentence in its block."""
    block = answer.block
    if block is None:
        return escape(answer.answer.text if answer.answer else "")
    parts = block.text[: block.begin], block.text[block.begin : block.end], block.text[block.end :]
    before, said, after = map(escape, parts)
    around = (f'<span class="around">{each}</span>' if each else "" for each in (before, after))
    return f'<span class="said">{said}</span>'.join(around)


def _where(passage: Passage) -> str:
    address = _address(passage.document, passage.line)
    return f'<a href="{address}">{escape(passage.document)}:{passage.line}</a>'


def _address(name: str, line: int = 1) -> str:
    return escape(f"/document?{urlencode({'name': name, 'line': line})}")


def _lines(found: Mapping[str, Any]) -> str:
    """Lines of a document with their numbers, and the marked passage."""
    mark = found["mark"]
    rows: Iterable[str] = (
        f'<li value="{number}">{_marked(line, number, mark)}</li>'
        for number, line in enumerate(found["lines"], found["first"])
    )
    size = f"{found['total']:,} line{'s' * (found['total'] != 1)}"
    head = f'<h2>{escape(found["name"])}</h2><p class="place">{size}</p>'
    return f'{head}<ol class="lines">{"".join(rows)}</ol>'


def _marked(line: str, number: int, mark: Mapping[str, int]) -> str:
    """A line, escaped, with the passage in it marked."""
    first, last = mark["line"], mark["end_line"]
    if not first <= number <= last:
        return escape(line)
    begin = mark.get("column", 1) - 1 if number == first else 0
    end = mark.get("end_column", len(line) + 1) - 1 if number == last else len(line)
    return f"{escape(line[:begin])}<mark>{escape(line[begin:end])}</mark>{escape(line[end:])}"
