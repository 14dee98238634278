"""The forms of requests, each operation beside its form, and the OpenAPI description made of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Literal

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from lior.ask.index import LONGEST_QUESTION
from lior.serve.limits import Limits
from lior.serve.server import Fault, Server

_MOST = Limits()
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1, max_length=_MOST.name)]
Text = Annotated[str, Field(max_length=_MOST.score)]


class Form(BaseModel):
    """What a request may have; anything else is refused."""

    model_config = ConfigDict(extra="forbid")


class Ask(Form):
    """A question, in words of any language."""

    question: Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION)]
    top: Annotated[int, Field(ge=1, le=_MOST.top)] = 3
    """Most passages."""
    lines: bool = False
    """Whether to add the lines of the document around the quoted passage."""
    state: bool = False
    """Whether to add what is served."""


class Show(Form):
    """A passage whose lines are wanted, as an answer gives it."""

    document: Name
    line: Count
    column: Count = 1
    text: Text


class Why(Form):
    """A text, and what stands before it."""

    prompt: Annotated[str, Field(max_length=_MOST.score)] = ""
    text: Annotated[str, Field(max_length=_MOST.words)]
    passage: Show | None = None
    """Instead of a prompt: the passage of an answer, which stands in its document."""


class Score(Form):
    """A text to be scored."""

    text: Text


class Listing(Form):
    """Which documents are listed."""

    search: Annotated[str, Field(max_length=_MOST.name)] = ""
    """Part of the name."""
    offset: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1, le=1000)] = 100


class Lines(Form):
    """Which lines of which document."""

    name: Name
    line: Count = 1
    count: Annotated[int, Field(ge=1, le=_MOST.lines)] = 200


class Learn(Form):
    """What the document in the body is called."""

    name: Name
    replace: bool = False
    """Whether it takes the place of the document of this name."""


class Named(Form):
    """A document."""

    name: Name


# --- OpenAI's protocol ---


class Protocol(BaseModel):
    """What a request of OpenAI's protocol may have; other fields must ask for nothing."""

    model_config = ConfigDict(extra="allow")
    model: Annotated[str, Field(max_length=_MOST.name)] = ""
    stream: bool = False


class StreamOptions(BaseModel):
    """What a stream has besides."""

    include_usage: bool = False


class Completion(Protocol):
    """A text to be continued by the language model."""

    prompt: str | list[str] | list[int] | list[list[int]] = ""
    max_tokens: Annotated[int, Field(ge=0, le=_MOST.tokens)] | None = 16
    temperature: Annotated[float, Field(ge=0, le=100)] | None = 1.0
    top_p: Annotated[float, Field(ge=0, le=1)] | None = 1.0
    n: Annotated[int, Field(ge=1, le=_MOST.choices)] | None = 1
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=_MOST.tops)] | None = None
    echo: bool | None = False
    stream_options: StreamOptions | None = None
    top_k: Annotated[int, Field(ge=0)] = 0
    cooling: Annotated[float, Field(ge=0, le=1)] = 0.0
    recall: Annotated[float, Field(ge=0, le=1)] = 0.0
    loop_penalty: Annotated[float, Field(ge=0, le=1e6)] = 0.0


class Part(BaseModel):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = ""

    @property
    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class Chat(Protocol):
    """A conversation; its last message is answered from the documents, by their words."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=200)]
    n: Literal[1] | None = 1
    stream_options: StreamOptions | None = None


class Embeddings(Protocol):
    """Texts whose vectors are wanted."""

    input: str | Annotated[list[str], Field(max_length=256)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class Tokenize(BaseModel):
    """A text whose tokens are wanted."""

    prompt: Annotated[str, Field(max_length=_MOST.prompt)]


class Detokenize(BaseModel):
    """Tokens whose text is wanted."""

    tokens: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=_MOST.prompt)]


# --- operations ---

Handler = Callable[[Server, Request, Any], Awaitable[Any]]


@attrs.frozen(kw_only=True)
class Operation:
    """A method of an address, and what it does."""

    method: str
    path: str
    run: Handler
    form: type[BaseModel] | None = None
    """Of the body, or of the query where the method is GET, PUT or DELETE."""
    upload: bool = False
    """Whether the body is a document as it is."""

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.run.__doc__ or "").strip().split("\n")[0]

    async def given(self, request: Request) -> Any:
        """The checked form of a request, or a ``Fault`` with the first thing that is wrong."""
        if self.form is None:
            return None
        try:
            if self.method != "POST":
                return self.form.model_validate(dict(request.query_params))
            if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                raise Fault(415, "the body must be of the type application/json", code="content_type")
            return self.form.model_validate_json(await request.body())
        except ValidationError as error:
            raise Fault(400, told(error), code="invalid") from None


def told(error: ValidationError) -> str:
    """The first fault of a form in one line, without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("list[", "function-")))
    return f"{where or 'body'}: {first['msg'][:200]}"


def described(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The OpenAPI description of the operations."""
    forms: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        entry: dict[str, Any] = {"summary": each.summary, "responses": dict(_RESPONSES)}
        schema = each.form.model_json_schema(ref_template="#/components/schemas/{model}") if each.form else {}
        forms |= schema.pop("$defs", {})
        if each.form and each.method == "POST":
            forms[each.form.__name__] = schema
            content = {"schema": {"$ref": f"#/components/schemas/{each.form.__name__}"}}
            entry["requestBody"] = {"required": True, "content": {"application/json": content}}
        elif each.form:
            required = schema.get("required", ())
            entry["parameters"] = [
                {"name": name, "in": "query", "required": name in required, "schema": value}
                for name, value in schema["properties"].items()
            ]
        entry.setdefault("parameters", []).extend(
            {"name": name[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for name in each.path.split("/")
            if name.startswith("{")
        )
        if each.upload:
            binary = {"schema": {"type": "string", "format": "binary"}}
            entry["requestBody"] = {"required": True, "content": {"application/octet-stream": binary}}
        paths.setdefault(each.path, {})[each.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "lior", "version": version},
        "paths": paths,
        "components": {"schemas": forms},
    }


_RESPONSES = {
    "200": {"description": "What was asked for, as a JSON object."},
    "4XX": {"description": "A refusal: an object `error` with `message`, `type` and `code`."},
    "503": {"description": "Too much is asked at once, or the run cannot be changed now."},
}
