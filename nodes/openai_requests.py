"""The requests of OpenAI's API that models answer, read and checked.

A Python class in KServe's shape gets them as its ``request``: fields as attributes, those that
are not listed here too (``extra``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import clip


class OpenAiRefusal(InvalidInput):
    """A request that is not answered. ``param`` names the field, empty for the whole."""

    def __init__(self, text: str, param: str = "") -> None:
        super().__init__(text, param)
        self.param = param

    def __str__(self) -> str:
        return str(self.args[0])


class StreamOptions(BaseModel):
    """``include_usage``: one more chunk at the end, with the tokens that were used."""

    include_usage: bool = False


class _Request(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    user: str | None = None

    @property
    def unknown(self) -> dict[str, Any]:
        """The fields that the API's subset here does not know."""
        return dict(self.model_extra or {})


Stop = Annotated[list[str], Field(max_length=4)]


class _Generation(_Request):
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1, le=128)
    seed: int | None = None
    stop: str | Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in given if text)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the tokens that were used."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionRequest(_Generation):
    """``POST /completions``. A prompt is text or token ids, one or several."""

    prompt: str | list[str] | list[int] | list[list[int]]
    max_tokens: int | None = Field(None, ge=1)
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | None = None
    best_of: int | None = None


class ChatMessage(BaseModel):
    """One message; parts other than text are the model's to refuse."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatCompletionRequest(_Generation):
    """``POST /chat/completions``."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None


class EmbeddingRequest(_Request):
    """``POST /embeddings``."""

    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)


class RerankRequest(_Request):
    """``POST /rerank``, which KServe has too."""

    query: str
    documents: list[str]
    top_n: int | None = Field(None, ge=1)


Request = TypeVar("Request", bound=_Request)

REQUESTS: dict[str, type[_Request]] = {
    "create_completion": CompletionRequest,
    "create_chat_completion": ChatCompletionRequest,
    "create_embedding": EmbeddingRequest,
    "create_rerank": RerankRequest,
}
"""KServe's name of a model's method → the request it takes."""


def read_request(method: str, body: object) -> Any:
    """The request in a parsed body. Raises ``OpenAiRefusal`` that names the first wrong field."""
    try:
        return REQUESTS[method].model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        text = clip(f"{field}: {first['msg']}" if field else first["msg"], 300)
        raise OpenAiRefusal(text, field) from None
