"""An upstream's answer, on its way to the caller."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final, TypeAlias, TypedDict

import attrs
import msgspec
from aiohttp import web

from nexevo_async.sandbox import charges, chat, model
from nexevo_async.sandbox.call import Answer, Call, Relay
from nexevo_async.sandbox.model import Tokens
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.store import Store
from nexevo_async.sandbox.stream import DONE, Frame, frame
from nexevo_async.sandbox.upstream import Upstream
from nexevo_async.sandbox.validation import CheckedBody
from nexevo_async.sandbox.wire import Sender
from nexevo_async.shapes import is_object

Once: TypeAlias = Callable[[Relay], Awaitable[Answer | web.StreamResponse]]

# Another model may do better where the upstream fails, or has no such model.
_TRIES_ANOTHER: Final = frozenset({404, 502})


class ReportedUsage(TypedDict):
    """OpenAI's ``usage``, where it can be believed."""

    prompt_tokens: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    completion_tokens: Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Meter:
    """Counts an answer: as the upstream reports, or else as the built-in model counts.

    Args:
        messages: The request's.
    """

    def __init__(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self._input_tokens = model.count(messages)
        self._reported: Tokens | None = None
        self._texts: list[str] = []

    def note(self, piece: Mapping[str, Any]) -> None:
        """Count a completion, or a chunk of one."""
        try:
            usage = msgspec.convert(piece.get("usage"), ReportedUsage)
        except msgspec.ValidationError:
            pass
        else:
            self._reported = Tokens(usage["prompt_tokens"], usage["completion_tokens"])
        for choice in _choices(piece):
            said = choice.get("delta") or choice.get("message")
            if is_object(said) and isinstance(text := said.get("content"), str):
                self._texts.append(text)

    @property
    def tokens(self) -> Tokens:
        """What was counted so far."""
        if self._reported is not None:
            return self._reported
        return Tokens(self._input_tokens, len(model.split("".join(self._texts))))


@attrs.frozen(kw_only=True)
class Relaying:
    """Has the upstream answer a request.

    Attributes:
        upstream: Who answers.
        store: Where it is remembered.
        sender: Where a stream goes.
        body: The request's.
        called: Gives the request inside a transaction.
        handle: Answers it there, or says what to ask next.
        keep: Keeps an answer there, for the case that the request comes again.
        alert: Has the alerts be sent that are due.
        failed: The models that had none, which ``called`` tells of.
    """

    upstream: Upstream
    store: Store
    sender: Sender
    body: CheckedBody
    called: Callable[[sqlite3.Connection], Call]
    handle: Callable[[Call], Answer]
    keep: Callable[[Call, Answer], None]
    alert: Callable[[], None]
    failed: dict[str, RefusalError]

    async def serve(self, relay: Relay) -> Answer | web.StreamResponse:
        """Give the answer; a stream was sent.

        Raises:
            RefusalError: no model had one; nothing was sent.
        """
        once = self._stream if self.body.members.get("stream") else self._plain
        while True:
            try:
                return await self._charged(relay, once)
            except RefusalError as refusal:
                if refusal.status not in _TRIES_ANOTHER:
                    raise
                self.failed[relay.choice.name] = refusal
            answer = await self.store.run(lambda db: self.handle(self.called(db)))
            if answer.relay is None:
                return answer
            relay = answer.relay

    async def _charged(self, relay: Relay, once: Once) -> Answer | web.StreamResponse:
        try:
            await self.store.run(
                lambda db: chat.reserve(self.called(db), relay.choice, relay.most_output_tokens)
            )
            return await once(relay)
        finally:  # what was answered is settled, and nothing is left of it
            await asyncio.shield(
                self.store.run(lambda db: charges.release(db, self.called(db).generation_id))
            )

    async def _plain(self, relay: Relay) -> Answer:
        completion = await self.upstream.complete(relay.body, relay.key)
        meter = Meter(relay.body["messages"])
        meter.note(completion)

        def store(db: sqlite3.Connection) -> Answer:
            call = self.called(db)
            answer = chat.completed(call, relay.choice, completion, meter.tokens)
            self.keep(call, answer)
            return answer

        return await self.store.run(store)

    async def _stream(self, relay: Relay) -> web.StreamResponse:
        meter = Meter(relay.body["messages"])
        include_usage = chat.wants_usage(self.body.raw)

        def begin(db: sqlite3.Connection) -> dict[str, str]:
            call = self.called(db)
            chat.begin(call, relay.choice, meter.tokens)
            return chat.headers(call, relay.choice)

        def end(db: sqlite3.Connection) -> bool:
            call, tokens = self.called(db), meter.tokens
            return chat.finish(db, call.generation_id, tokens.output, call.now, tokens.input)

        async with self.upstream.streaming(relay.body, relay.key) as chunks:
            headers = await self.store.run(begin)
            try:
                async with aclosing(_frames(chunks, meter, include_usage=include_usage)) as frames:
                    return await self.sender.relay(frames, headers)
            finally:
                if await asyncio.shield(self.store.run(end)):
                    self.alert()


async def _frames(
    chunks: AsyncIterator[Mapping[str, Any]], meter: Meter, *, include_usage: bool
) -> AsyncGenerator[Frame]:
    """Give the events for an upstream's chunks.

    The usage was asked for, so that it can be counted. For a caller who did not, it is put into the
    chunk that ends the answer.
    """
    last: Mapping[str, Any] | None = None
    try:
        async for chunk in chunks:
            meter.note(chunk)
            if last is not None and not chunk["choices"] and not include_usage:
                continue
            if last is not None:
                yield frame(last)
            last = {name: value for name, value in chunk.items() if name != "nexevo"}
            if not _ends(last):
                yield frame(last)
                last = None
    except RefusalError as refusal:
        yield frame(refusal.body)
        return
    if last is not None:
        yield frame(last if include_usage else {**last, "usage": meter.tokens.as_json()})
    yield DONE


def _ends(chunk: Mapping[str, Any]) -> bool:
    return any(choice.get("finish_reason") for choice in _choices(chunk))


def _choices(piece: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [choice for choice in piece["choices"] if is_object(choice)]
