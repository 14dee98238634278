"""lior's own operations as JSON: ask, why, score, documents, learn, forget, sync."""

from __future__ import annotations

from typing import Any

import attrs
from starlette.requests import Request

from lior.errors import DataError
from lior.interfaces import Passage
from lior.reading.documents import documents_in
from lior.serve import answers
from lior.serve.schema import Ask, Learn, Lines, Listing, Named, Operation, Score, Show, Why
from lior.serve.server import Fault, Server, unless_gone
from lior.serve.versions import Version


async def state(server: Server, request: Request, given: None) -> Any:
    """What is served, and what is being learned."""
    return server.resident.state()


async def ask(server: Server, request: Request, given: Ask) -> Any:
    """Find the passages that answer a question, and decide whether any does."""
    version = server.version
    answer = await server.ask(version, given.question, given.top)
    record = answers.answered(version, answer)
    if given.lines and answer.answer:
        record["shown"] = await server.aside(answers.shown, version, answer.answer)
    if given.state:
        record["state"] = server.resident.state()
    return record


async def show(server: Server, request: Request, given: Show) -> Any:
    """The lines of a document around a passage."""
    version = server.version
    return await server.aside(answers.shown, version, _passage(version, given))


def _passage(version: Version, given: Show) -> Passage:
    """A passage, unless its document is not there any more."""
    try:
        version.owner(given.document)
    except DataError:
        raise Fault(404, "no document of this name", code="not_found") from None
    return Passage(document=given.document, line=given.line, column=given.column, text=given.text)


async def why(server: Server, request: Request, given: Why) -> Any:
    """The stored places that predict each word of a text."""
    version = server.version
    if given.passage:
        prompt = await server.aside(answers.before, version, _passage(version, given.passage))
    else:
        prompt = given.prompt.encode("utf-8", "replace")
    text = given.text.encode("utf-8", "replace")
    work = server.read(lambda between: answers.sources(version, prompt, text))
    return {"words": await unless_gone(request, work), "version": version.number}


async def score(server: Server, request: Request, given: Score) -> Any:
    """The surprise of the model at a text and at each of its words, in bits."""
    version, text = server.version, given.text.encode("utf-8", "replace")
    if len(text) > server.limits.score:
        raise Fault(413, f"the text has more than {server.limits.score:,} bytes", code="too_large")
    return await unless_gone(request, server.read(lambda between: answers.surprise(version, text, between)))


async def documents(server: Server, request: Request, given: Listing) -> Any:
    """The documents, with their sizes."""
    return answers.listed(server.version, given)


async def document(server: Server, request: Request, given: Lines) -> Any:
    """Lines of a document."""
    version = server.version
    server.document(version, given.name)
    return await server.aside(answers.lines_of, version, given.name, given.line, given.count)


async def learn(server: Server, request: Request, given: Learn) -> Any:
    """Learn the body as a document; its name tells its format."""
    server.editable()
    if not given.name.isprintable():
        raise Fault(400, "name: only characters that can be printed are allowed", code="invalid")
    if given.name in server.version.names and not given.replace:
        raise Fault(409, "there is a document of this name; forget it, or say replace=true", code="exists")
    data = await request.body()
    texts = await server.aside(lambda: documents_in(data, given.name, limit=8 * server.limits.upload))
    if not any(text.data.strip() for text in texts):
        raise Fault(400, "no text in there", code="invalid")
    if not all(text.name.isprintable() for text in texts):
        raise Fault(400, "a part of it has a name that cannot be printed", code="invalid")
    learned = await server.change(server.resident.learn(texts, replace=given.replace))
    return {"learned": list(map(attrs.asdict, learned)), "version": server.version.number}


async def forget(server: Server, request: Request, given: Named) -> Any:
    """Forget a document, exactly."""
    server.editable()
    server.document(server.version, given.name)
    gone = await server.change(server.resident.forget(given.name))
    return {"forgotten": attrs.asdict(gone), "version": server.version.number}


async def sync(server: Server, request: Request, given: None) -> Any:
    """Learn what is new in the folders that the server was given, and forget what is gone."""
    server.editable()
    if not server.settings.folders:
        raise Fault(403, "the server was given no folder; start it with --sync FOLDER", code="no_folder")
    done = await server.change(server.resident.sync())
    found = attrs.asdict(done, filter=attrs.filters.include("learned", "changed", "forgotten", "unchanged"))
    return found | {"skipped": len(done.skipped), "version": server.version.number}


OPERATIONS = (
    Operation(method="GET", path="/api/state", run=state),
    Operation(method="POST", path="/api/ask", run=ask, form=Ask),
    Operation(method="POST", path="/api/show", run=show, form=Show),
    Operation(method="POST", path="/api/why", run=why, form=Why),
    Operation(method="POST", path="/api/score", run=score, form=Score),
    Operation(method="GET", path="/api/documents", run=documents, form=Listing),
    Operation(method="GET", path="/api/document", run=document, form=Lines),
    Operation(method="PUT", path="/api/document", run=learn, form=Learn, upload=True),
    Operation(method="DELETE", path="/api/document", run=forget, form=Named),
    Operation(method="POST", path="/api/sync", run=sync),
)
