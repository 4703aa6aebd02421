"""A streamed completion: pieces as they come, and the whole of them at the end."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar, final

from nexevo_async.byte_stream import ByteSource
from nexevo_async.codec import json
from nexevo_async.codec.failures import decode_error, status_error
from nexevo_async.codec.sse import EventTooLargeError, SSEParser
from nexevo_async.codec.structure import misfit, structurer
from nexevo_async.contract.chat import ChatCompletion, ChatCompletionChunk, CompletionUsage
from nexevo_async.contract.model import keep_meta
from nexevo_async.errors import (
    APIConnectionError,
    APITimeoutError,
    NexevoError,
    StreamError,
    StreamTruncatedError,
)
from nexevo_async.messages import Request, Response, error_body
from nexevo_async.meta import Meta
from nexevo_async.middleware.deadline import lift_first_token_limit, too_late
from nexevo_async.shapes import is_array, is_object

S = TypeVar("S", bound=ByteSource)

_DONE: Final = b"[DONE]"


def with_generation_id(completion: dict[str, Any], response: Response) -> None:
    """Add ``nexevo.generation_id`` from the header where the body does not have it."""
    added: object = completion.get("nexevo")
    if is_object(added) and added.get("generation_id"):
        return
    generation_id = response.meta.generation_id
    if generation_id is not None:
        completion["nexevo"] = {
            **(added if is_object(added) else {}),
            "generation_id": generation_id,
        }


@final
class ChatStream(AsyncIterator[ChatCompletionChunk]):
    """A completion as it is written: ``async for`` gives its chunks.

    Close it, best by ``async with``: leaving early gives the connection back at once, and has the
    gateway stop. A stream that ends in any other way than the gateway's own terminator raises.

    Example:
        >>> stream = await client.chat.completions.create(
        ...     model="nexevo/fast", messages=[{"role": "user", "content": "Hello!"}], stream=True
        ... )
        >>> async with stream:
        ...     async for chunk in stream:
        ...         _ = chunk.text
        >>> stream.text == (await stream.final()).choices[0].message.content
        True
    """

    def __init__(self, request: Request, response: Response) -> None:
        assert response.stream is not None  # noqa: S101 - the transport gave one
        self._request = request
        self._response = response
        self._source: ByteSource = response.stream
        self._parser = SSEParser()
        self._events: deque[bytes] = deque()
        self._whole = _Completion()
        self._report = response.stream.report
        self._report.content = self._whole
        self._done = False
        self._failure: NexevoError | None = None
        self._too_large: EventTooLargeError | None = None

    @property
    def text(self) -> str:
        """The text of the first choice so far."""
        return self._whole.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The tokens; None until the gateway has sent them, which is near the end."""
        return self._whole.usage

    @property
    def meta(self) -> Meta:
        """What the gateway said beside the stream, such as trace and generation id."""
        return self._response.meta

    async def final(self) -> ChatCompletion:
        """Read what is left, and give the whole completion.

        Returns:
            The same as a call without ``stream`` would have given.

        Raises:
            StreamTruncatedError: The stream ended before its terminator.
            APIStatusError: The gateway said in the stream that it failed.

        Example:
            >>> stream = await client.chat.completions.create(
            ...     model="nexevo/fast",
            ...     messages=[{"role": "user", "content": "Hello!"}],
            ...     stream=True,
            ... )
            >>> completion = await stream.final()
            >>> completion.choices[0].finish_reason
            'stop'
        """
        async for _ in self:
            pass
        obj = self._whole.to_dict()
        with_generation_id(obj, self._response)
        completion = structurer(ChatCompletion)(obj)
        keep_meta(completion, self.meta)
        return completion

    async def aclose(self) -> None:
        """Give the connection back; harmless when the stream has ended."""
        self.close()

    def close(self) -> None:
        """Do the same as `aclose`, from the stream's own loop and without waiting."""
        self._events.clear()  # what was read ahead is nobody's any more
        self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "this is a stream of the async client: use `async for chunk in stream`, "
            "or nexevo_sync.Nexevo for `for`"
        )

    async def __anext__(self) -> ChatCompletionChunk:
        while not self._events:
            if self._done:
                raise StopAsyncIteration
            await self._read()
        event = self._events.popleft()
        if event == _DONE:
            self._done = True
            await self._source.finish()
            raise StopAsyncIteration
        try:
            obj, chunk = self._chunk(event)
        except NexevoError as error:
            self._fail(error)
        if self._request.progress.limit == "first_token" and _has_token(chunk):
            lift_first_token_limit(self._request)
        self._whole.add(obj, chunk)
        return chunk

    async def _read(self) -> None:
        """Read until there is an event, or the end."""
        if self._failure is not None:
            raise self._failure
        if self._too_large is not None:
            self._fail(self._error(StreamError, f"failed: {self._too_large}"))
        data = await self._arrived()
        if data:
            self._feed(data)
        elif self._parser.rest() == _DONE:
            self._events.append(_DONE)
        else:
            self._fail(
                self._error(StreamTruncatedError, "ended before its terminator, data: [DONE]")
            )

    async def _arrived(self) -> bytes:
        """Give the bytes that come next; ``b""`` at the end."""
        data = b""
        failure: NexevoError | None = None  # raised below, where no other error is its context
        try:
            data = await self._source.read(self._request.progress.deadline)
        except TimeoutError:
            failure = too_late(self._request)
        except APITimeoutError as error:
            failure = error
        except APIConnectionError as error:
            why = str(error).removesuffix(".")
            failure = self._error(StreamTruncatedError, f"was cut off: {why}")
        if self._source.closed and not isinstance(failure, APITimeoutError):
            failure = self._error(StreamError, "was closed before its end")
        if failure is not None:
            self._fail(failure)
        return data

    def _feed(self, data: bytes) -> None:
        try:
            self._events.extend(self._parser.feed(data))
        except EventTooLargeError as error:
            self._too_large = error
            self._events.extend(error.before)

    def _chunk(self, event: bytes) -> tuple[dict[str, Any], ChatCompletionChunk]:
        path, problem = "$", "is not JSON"
        obj: Any = None
        try:
            obj = json.decode(event)
            failed = error_body(obj)
            if failed is None:
                return obj, structurer(ChatCompletionChunk)(obj)
        except Exception:  # noqa: BLE001 - whatever it is, misfit() finds the place
            if obj is not None:
                path, problem = misfit(ChatCompletionChunk, obj)
        else:
            raise status_error(self._request, self._response, failed, partial=self.text)
        raise decode_error(
            self._request, self._response, f"an event of the stream {problem}", path=path
        )

    def _error(self, cls: type[StreamError], what: str) -> StreamError:
        partial = self.text
        trace = f", trace id {self.meta.trace_id}" if self.meta.trace_id else ""
        return cls(
            f"The stream of {self._request.operation.name} {what}. "
            f"[{self._request.summary()}{trace}] "
            f".partial has the {len(partial)} characters that came before.",
            partial=partial,
            trace_id=self.meta.trace_id,
            meta=self.meta,
            **self._request.described(),
        )

    def _fail(self, error: NexevoError) -> NoReturn:
        self._failure = error
        self._report.failure = type(error)
        self.close()
        raise error from None


def reroute(stream: ChatStream, through: Callable[[ByteSource], S]) -> S:
    """Have a stream get its bytes another way, which is given back.

    To the sync client they come across threads.
    """
    source = stream._source = through(stream._source)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return source


def _has_token(chunk: ChatCompletionChunk) -> bool:
    """Say whether a chunk has something of the answer: the first has a role alone."""
    deltas = [choice.delta.to_dict() for choice in chunk.choices if choice.delta is not None]
    return any(value for delta in deltas for name, value in delta.items() if name != "role")


@final
class _Completion:
    """Puts the chunks of a stream together."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._joined = (0, "")
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self.usage: CompletionUsage | None = None
        self.first_at: float | None = None

    @property
    def text(self) -> str:
        count, text = self._joined
        pieces = self._texts[count:]  # another thread may add to them meanwhile
        if pieces:
            text += "".join(pieces)
            self._joined = (count + len(pieces), text)
        return text

    def add(self, obj: dict[str, Any], chunk: ChatCompletionChunk) -> None:
        """Add a chunk, and the JSON object that it was read from."""
        if self.first_at is None:
            self.first_at = time.monotonic()
        if text := chunk.text:
            self._texts.append(text)
        if chunk.usage is not None:
            self.usage = chunk.usage
        for name, value in obj.items():
            if name == "choices":
                for choice in value:
                    self._add_choice(choice)
            elif value is not None:
                self._head[name] = value

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index") or 0
        whole = self._choices.setdefault(index, {"index": index, "message": {}})
        for name, value in choice.items():
            if name == "delta":
                _merge(whole["message"], value or {})
            elif name == "logprobs":
                _merge(whole.setdefault("logprobs", {}), value or {})
            elif value is not None:
                whole[name] = value

    def outline(self) -> dict[str, Any]:
        reasons = [self._choices[i].get("finish_reason") for i in sorted(self._choices)]
        return {**self._head, "choices": [{"finish_reason": reason} for reason in reasons]}

    def to_dict(self) -> dict[str, Any]:
        head = {**self._head, "object": "chat.completion"}
        return {**head, "choices": [_joined(self._choices[i]) for i in sorted(self._choices)]}


_NAMES: Final = frozenset({"id", "role", "type"})
"""The members of a delta that come whole; other texts come in pieces."""


class _Text:
    """The pieces of a text: joined once, as adding each to what came before is quadratic."""

    def __init__(self) -> None:
        self.pieces: list[str] = []


def _merge(whole: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add a delta; a member whose type changes on the way begins anew."""
    for name, value in piece.items():
        before: object = whole.get(name)
        if isinstance(value, str) and name not in _NAMES:
            if not isinstance(before, _Text):
                before = whole[name] = _Text()
            before.pieces.append(value)
        elif is_object(value):
            if not is_object(before):
                before = whole[name] = {}
            _merge(before, value)
        elif is_array(value):
            if not is_array(before):
                before = whole[name] = []
            for item in value:
                _merge_item(before, item)
        elif value is not None or name not in whole:
            whole[name] = value


def _merge_item(items: list[Any], item: Any) -> None:
    """Add an item of a list; those with the same ``index`` are pieces of one."""
    if not is_object(item):
        items.append(item)
        return
    index: object = item.get("index")
    known: dict[str, Any] | None = None
    if index is not None:
        known = next((i for i in items if is_object(i) and i.get("index") == index), None)
    if known is None:
        known = {}
        items.append(known)
    _merge(known, item)


def _joined(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value.pieces)
    if is_object(value):
        return {name: _joined(member) for name, member in value.items()}
    if is_array(value):
        return [_joined(item) for item in value]
    return value
