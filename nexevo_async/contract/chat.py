from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Required, TypeAlias, TypedDict

import attrs
import msgspec

from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@attrs.frozen(kw_only=True)
class FunctionCall(Model):
    """The function that the model wants called.

    Attributes:
        name: The function's name.
        arguments: Its arguments as JSON text, which the model wrote and may have got wrong.
    """

    name: str | None = None
    arguments: str | None = None


@attrs.frozen(kw_only=True)
class ToolCall(Model):
    """A tool that the model wants used.

    Attributes:
        index: Its place among the message's tool calls; only in chunks.
        id: Its id, to be named by the tool's answer.
        type: ``function``; new types may come.
        function: The function to call.
    """

    index: int | None = None
    id: str | None = None
    type: Literal["function"] | str | None = None
    function: FunctionCall | None = None


@attrs.frozen(kw_only=True)
class ChatMessage(Model):
    """A message that the model wrote; it can be appended to ``messages`` as it is.

    Attributes:
        role: ``assistant``.
        content: The text; None where the model only calls tools.
        refusal: Why the model refused, where it did.
        tool_calls: The tools that the model wants used.
    """

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


@attrs.frozen(kw_only=True)
class Choice(Model):
    """One of the answers that were asked for.

    Attributes:
        index: Its place.
        message: The answer.
        finish_reason: Why the model stopped; new reasons may come.
        logprobs: The tokens' log probabilities, as they came.
    """

    index: int | None = None
    message: ChatMessage
    finish_reason: FinishReason | str | None = None
    logprobs: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class CompletionUsage(Model):
    """The tokens of a completion.

    Attributes:
        prompt_tokens: Tokens of the request.
        completion_tokens: Tokens of the answer.
        total_tokens: Both.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


@attrs.frozen(kw_only=True)
class NexevoInfo(Model):
    """What Nexevo adds to a completion.

    Attributes:
        generation_id: The id to give feedback on [D]; from the body, or else from the header
            ``X-Nexevo-Generation-Id``.
    """

    generation_id: str | None = None


@attrs.frozen(kw_only=True)
class ChatCompletion(Model):
    """A completion in OpenAI's format [D].

    Attributes:
        id: Its id.
        object: ``chat.completion``.
        created: When it was made, in epoch seconds.
        model: The model that answered.
        choices: The answers.
        usage: The tokens.
        nexevo: What Nexevo adds.
    """

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    choices: list[Choice]
    usage: CompletionUsage | None = None
    nexevo: NexevoInfo | None = None

    @property
    def text(self) -> str:
        """The text of the first choice; empty where it has none."""
        return (self.choices[0].message.content or "") if self.choices else ""


@attrs.frozen(kw_only=True)
class Delta(Model):
    """What a chunk adds to a message.

    Attributes:
        role: The role; in the first chunk only.
        content: More text.
        refusal: More of the refusal.
        tool_calls: More of the tool calls, each by its index.
    """

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


@attrs.frozen(kw_only=True)
class ChunkChoice(Model):
    """What a chunk adds to one of the answers.

    Attributes:
        index: The answer's place.
        delta: What is added.
        finish_reason: Why the model stopped; in the last chunk only.
        logprobs: The tokens' log probabilities, as they came.
    """

    index: int | None = None
    delta: Delta | None = None
    finish_reason: FinishReason | str | None = None
    logprobs: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class ChatCompletionChunk(Model):
    """A piece of a streamed completion in OpenAI's format [D].

    Attributes:
        id: The completion's id.
        object: ``chat.completion.chunk``.
        created: When the completion was begun, in epoch seconds.
        model: The model that answers.
        choices: What is added; empty in the chunk that carries the usage.
        usage: The tokens; in one chunk, near the end.
        nexevo: What Nexevo adds.
    """

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    choices: list[ChunkChoice] = attrs.field(factory=list)
    usage: CompletionUsage | None = None
    nexevo: NexevoInfo | None = None

    @property
    def text(self) -> str:
        """The text that this chunk adds to the first choice; empty where it adds none."""
        for choice in self.choices:
            if not choice.index and choice.delta is not None:
                return choice.delta.content or ""
        return ""


class MessageParam(TypedDict, total=False):
    """A message to the model: ``{"role": "user", "content": "Hello!"}``."""

    role: Required[Literal["system", "developer", "user", "assistant", "tool"] | str]
    content: str | list[dict[str, Any]] | None
    name: str
    tool_calls: list[dict[str, Any]]
    tool_call_id: str


class MaxPrice(TypedDict, total=False):
    """The most that a model may cost [D], in USD per million tokens [P]; no floats."""

    prompt: str | int | Decimal
    completion: str | int | Decimal
    total: str | int | Decimal


class MaxPriceBody(TypedDict, total=False):
    """The most that a model may cost [D], as JSON numbers [P] of exactly the digits given."""

    prompt: Decimal
    completion: Decimal
    total: Decimal


class ProviderOptions(TypedDict, total=False):
    """Which providers may serve the call [D]."""

    data_collection: Literal["deny", "allow"] | str


class ChatBody(TypedDict, total=False):
    """The body of a completion; other members of OpenAI's are passed through."""

    model: Required[str]
    messages: Required[Annotated[list[MessageParam], msgspec.Meta(min_length=1)]]
    stream: bool | None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None
    top_p: float | None
    stop: str | list[str] | None
    tools: list[dict[str, Any]] | None
    models: list[str] | None
    max_price: MaxPriceBody | None
    provider: ProviderOptions | None
    metadata: dict[str, Any] | None


CREATE: Final = Operation(
    name="chat.completions.create",
    method="POST",
    path="/chat/completions",
    answer=ChatCompletion,
    body=ChatBody,
    resend="generation",
    documented="D",
    summary="Have a model answer.",
)

OPERATIONS: Final = (CREATE,)
