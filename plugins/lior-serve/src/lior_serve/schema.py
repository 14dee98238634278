"""The schemas of requests, each operation beside its schema, and the OpenAPI description made of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Literal

import attrs
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import models_json_schema
from starlette.requests import Request

from lior import Sampling
from lior.config import typed_fields
from lior.interfaces import Passage
from lior_ask import LONGEST_QUESTION, Filters
from lior_serve.errors import HTTPError
from lior_serve.limits import Limits

_MOST = Limits()
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1, max_length=_MOST.name)]
KnownName = Annotated[str, Field(min_length=1, max_length=6 * 4096)]
"""The name of an existing document: at most the system's longest path, with six characters for each byte."""
Text = Annotated[str, Field(max_length=_MOST.score)]


class StrictModel(BaseModel):
    """A request without further fields."""

    model_config = ConfigDict(extra="forbid")


class QuestionRequest(StrictModel):
    """A question, in words of any language."""

    question: Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION)]
    history: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_QUESTION)]], Field(max_length=_MOST.history)
    ] = []
    """The earlier messages of the conversation, oldest first; the question may be a follow-up of these."""
    sender: Name | Literal[""] = ""
    """Filters, as :class:`lior_ask.question.filters.Filters` describes them; empty ones have no effect."""
    after: Name | Literal[""] = ""
    before: Name | Literal[""] = ""
    kind: Name | Literal[""] = ""
    path: KnownName | Literal[""] = ""

    @property
    def filters(self) -> Filters:
        """The filters."""
        given = attrs.fields_dict(Filters).keys() & type(self).model_fields.keys()
        return Filters(**{name: getattr(self, name) for name in given})

    @property
    def messages(self) -> list[str]:
        """The earlier messages, and the question."""
        return [*self.history, self.question]


class AskRequest(QuestionRequest):
    """A question, in words of any language, and what is wanted of its answer."""

    top: Annotated[int, Field(ge=1, le=_MOST.top)] = 3
    """The maximum number of passages."""
    lines: bool = False
    """Whether to add the lines of the document around the quoted passage."""
    state: bool = False
    """Whether to add the description of the source."""


class ComposeRequest(QuestionRequest):
    """A message that a language model answers from the passages found, where the server was started with one.

    The reply is a stream of server-sent events, each a JSON object. First ``answer``, the object of
    ``/api/ask``, with ``inherited``, the words of earlier messages that it was asked with, and ``sources``,
    the passages that the model is given, each with its ``number``; where these are none, nothing else comes:
    the answer is said, calculated, or not found. Then ``text``, piece by piece, and at the end ``reply``: the
    whole ``text`` with a mark behind each citation and quotation that is not in the sources, the numbers
    ``cited``, how many things are ``wrong``, and these as they stand in the text, ``unfounded``. An ``error``
    ends the stream instead; ``[DONE]`` comes last.
    """


class PassageRequest(StrictModel):
    """A passage whose lines are wanted, as an answer gives it."""

    document: KnownName
    line: Count
    column: Count = 1
    text: Text

    @property
    def passage(self) -> Passage:
        """The passage."""
        return Passage(document=self.document, line=self.line, column=self.column, text=self.text)


class ConfirmRequest(QuestionRequest):
    """A passage of the answer to a question, and whether it is the right one."""

    passage: PassageRequest
    good: bool
    """Whether the passage is right; false withdraws a confirmation."""


class WhyRequest(StrictModel):
    """A text to be explained, and the text before it."""

    prompt: Annotated[str, Field(max_length=_MOST.score)] = ""
    text: Annotated[str, Field(max_length=_MOST.words)]
    passage: PassageRequest | None = None
    """The passage of an answer, in place of a prompt; the text before it in its document is used."""


class ScoreRequest(StrictModel):
    """A text to be scored."""

    text: Text


class ListRequest(StrictModel):
    """A page of the list of documents."""

    search: Annotated[str, Field(max_length=_MOST.name)] = ""
    """A part of the name."""
    offset: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1, le=1000)] = 100


class LinesRequest(StrictModel):
    """Some lines of a document."""

    name: KnownName
    line: Count = 1
    count: Annotated[int, Field(ge=1, le=_MOST.lines)] = 200


class LearnRequest(StrictModel):
    """The name of the document in the body."""

    name: Name
    replace: bool = False
    """Whether it takes the place of the document of this name."""


class ForgetRequest(StrictModel):
    """The name of a document."""

    name: KnownName


# --- OpenAI's protocol ---


class OpenAIRequest(BaseModel):
    """A request of OpenAI's protocol; further fields must have the value that changes nothing."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    model: Annotated[str, Field(max_length=_MOST.name)] = ""
    stream: bool = False


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool = False


class CompletionRequest(OpenAIRequest):
    """A text to be continued by the language model."""

    prompt: str | list[str] | list[int] | list[list[int]] = ""
    max_tokens: Annotated[int, Field(ge=0, le=_MOST.tokens)] | None = 16
    n: Annotated[int, Field(ge=1, le=_MOST.choices)] | None = 1
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=_MOST.tops)] | None = None
    echo: bool | None = False
    stream_options: StreamOptions | None = None

    @property
    def sampling(self) -> Sampling:
        """The options of sampling; ``null`` stands for the default.

        Raises ``UsageError`` when an option has no effect beside the others.
        """
        given = {name: getattr(self, name, None) for name in typed_fields(Sampling)}
        return Sampling(**_DEFAULTS | {name: value for name, value in given.items() if value is not None})


_DEFAULTS = {"temperature": 1.0, "min_p": 0.0}
"""Defaults of OpenAI's protocol: the model's distribution, without repetitions that its text lacks."""


def _sample() -> type[CompletionRequest]:
    """Return the request with a field for each option of :class:`~lior.config.sampling.Sampling`."""
    fields: dict[str, Any] = {}
    for name, typed in typed_fields(Sampling).items():
        found = typed.field.metadata
        default = _DEFAULTS.get(name, typed.field.default)
        limits = Field(default, ge=found["low"], le=found["high"], description=found["help"])
        fields[name] = (typed.hint | None, limits)
    base, doc = CompletionRequest, CompletionRequest.__doc__
    return create_model(base.__name__, __base__=base, __doc__=doc, __module__=__name__, **fields)


SAMPLED_REQUEST = _sample()
"""The schema of a :class:`CompletionRequest` with the options of sampling."""


class Part(BaseModel):
    """A part of a message; only text is read."""

    type: Literal["text", "input_text", "output_text"]
    text: str


class Message(BaseModel):
    """A message of a conversation."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = ""

    @property
    def text(self) -> str:
        """The text of the message."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(OpenAIRequest):
    """A conversation; its last message is answered from the documents, by their words."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=200)]
    n: Literal[1] | None = 1
    stream_options: StreamOptions | None = None


class Format(BaseModel):
    """The form of a text: only as it is."""

    type: Literal["text"] = "text"


class TextOptions(BaseModel):
    """Options of the text of a response."""

    format: Format = Format()


class ResponsesRequest(OpenAIRequest):
    """A message or a conversation; its last message is answered from the documents, by their words."""

    input: str | Annotated[list[Message], Field(min_length=1, max_length=200)]
    instructions: str | None = None
    text: TextOptions | None = None


class EmbeddingsRequest(OpenAIRequest):
    """Texts whose vectors are wanted."""

    input: str | Annotated[list[str], Field(max_length=256)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class TokenizeRequest(BaseModel):
    """A text whose tokens are wanted."""

    prompt: Annotated[str, Field(max_length=_MOST.prompt)]


class DetokenizeRequest(BaseModel):
    """Tokens whose text is wanted."""

    tokens: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=_MOST.prompt)]


# --- operations ---

Handler = Callable[[Any, Request, Any], Awaitable[Any]]
"""A function of a server, a request and its checked form that returns a value ready for JSON, or a reply."""


@attrs.frozen(kw_only=True)
class Operation:
    """An HTTP operation: method, path, handler and schema."""

    method: str
    path: str
    run: Handler
    form: type[BaseModel] | None = None
    """The schema of the body, or of the query for GET, PUT and DELETE."""
    upload: bool = False
    """Whether the body is the document itself."""

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.run.__doc__ or "").strip().split("\n")[0]

    async def parse(self, request: Request) -> Any:
        """Return the checked form of a request.

        Raises :class:`HTTPError` or pydantic's ``ValidationError``.
        """
        if self.form is None:
            return None
        if self.method != "POST":
            return self.form.model_validate(dict(request.query_params))
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPError(415, "the body must be of the type application/json", code="content_type")
        return self.form.model_validate_json(await request.body())


def openapi(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI description of the operations."""
    operations = tuple(operations)
    forms = dict.fromkeys(each.form for each in operations if each.form)
    _, described = models_json_schema(
        [(form, "validation") for form in forms], ref_template="#/components/schemas/{model}"
    )
    schemas, paths = described["$defs"], dict[str, dict[str, Any]]()
    for each in operations:
        entry: dict[str, Any] = {"summary": each.summary, "responses": dict(_RESPONSES)}
        entry["parameters"] = [
            {"name": name[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for name in each.path.split("/")
            if name.startswith("{")
        ]
        if each.form and each.method == "POST":
            named = {"$ref": f"#/components/schemas/{each.form.__name__}"}
            entry["requestBody"] = _body("application/json", named)
        elif each.form:
            schema = schemas[each.form.__name__]
            entry["parameters"] += [
                {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": value}
                for name, value in schema["properties"].items()
            ]
        if each.upload:
            entry["requestBody"] = _body("application/octet-stream", {"type": "string", "format": "binary"})
        paths.setdefault(each.path, {})[each.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "lior", "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _body(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": schema}}}


_RESPONSES = {
    "200": {"description": "What was asked for, as a JSON object."},
    "4XX": {"description": "A refusal: an object `error` with `message`, `type` and `code`."},
    "503": {"description": "Too much is asked at once, or the run cannot be changed now."},
}
