"""A real server behind the sandbox, which speaks OpenAI's format."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec

from nexevo_async.codec.json import decode
from nexevo_async.codec.sse import SSEParser
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.secret import Secret
from nexevo_async.shapes import is_array, is_object

# The connection, and the silence between two pieces of an answer; an answer has all its time.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=600)
_NEXEVOS_OWN: Final = frozenset({"models", "max_price", "provider", "metadata"})
# What is wrong with the request itself; anything else is the upstream's own trouble.
_OF_THE_REQUEST: Final = frozenset({400, 404, 413, 422})
_LONGEST_QUOTE: Final = 300
_DONE: Final = b"[DONE]"
_encoder: Final = msgspec.json.Encoder()


def forwarded(raw: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Give what the upstream is sent: the caller's body without what is Nexevo's own."""
    body = {name: value for name, value in raw.items() if name not in _NEXEVOS_OWN}
    body["model"] = model
    metadata = dict(raw.get("metadata") or {})
    metadata.pop("conversation_id", None)
    if metadata:
        body["metadata"] = metadata
    if body.get("stream"):
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return body


class Upstream:
    """Asks the server at a URL.

    Args:
        url: The base URL, under which ``/chat/completions`` is.
        key: The key to bring; None where the server wants none.
    """

    def __init__(self, url: str, key: Secret | None) -> None:
        self._url = f"{url}/chat/completions"
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    async def connected(self, _: object) -> AsyncIterator[None]:
        """Hold the connections while an application runs."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TIMEOUT,
        ) as self._session:
            yield

    async def complete(self, body: Mapping[str, Any], own_key: Secret | None) -> dict[str, Any]:
        """Give a completion.

        Args:
            body: What to send.
            own_key: The caller's key, in place of this one's.

        Raises:
            RefusalError: there is none.
        """
        key = own_key or self._key
        async with self._asked(body, key) as response:
            try:
                data = await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _broke_off(error) from None
        return _checked(data, key)

    @asynccontextmanager
    async def streaming(
        self, body: Mapping[str, Any], own_key: Secret | None
    ) -> AsyncGenerator[AsyncIterator[dict[str, Any]]]:
        """Give the chunks of a streamed completion, which end only where the upstream says so.

        Args:
            body: What to send.
            own_key: The caller's key, in place of this one's.

        Raises:
            RefusalError: there are none, or no more.
        """
        key = own_key or self._key
        async with self._asked(body, key) as response:
            if response.content_type != "text/event-stream":
                raise _failed(f"did not stream, but sent {response.content_type}")
            yield _chunks(response.content, key)

    @asynccontextmanager
    async def _asked(
        self, body: Mapping[str, Any], key: Secret | None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("the upstream is not connected")
        headers = {"Content-Type": "application/json", "User-Agent": "nexevo-sandbox"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key.reveal()}"
        try:
            # A redirect would take the key along.
            # aiohttp warns of large bytes that are sent at once.
            response = await self._session.post(
                self._url,
                data=io.BytesIO(_encoder.encode(body)),
                headers=headers,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failed(f"at {self._url} cannot be reached ({_named(error)})") from None
        async with response:
            if response.status != 200:
                raise await _refusal(response, key)
            yield response

    def __repr__(self) -> str:
        return f"<Upstream {self._url}>"


async def _chunks(
    content: aiohttp.StreamReader, key: Secret | None
) -> AsyncIterator[dict[str, Any]]:
    parser = SSEParser()
    try:
        async for data in content.iter_any():
            for event in parser.feed(data):
                if event == _DONE:
                    return
                yield _checked(event, key)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _broke_off(error) from None
    raise _failed("ended its stream without saying that it was whole")


async def _refusal(response: aiohttp.ClientResponse, key: Secret | None) -> RefusalError:
    try:
        said = _quoted(decode(await response.read()), key)
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
        said = "without a reason"
    status = response.status
    if status in _OF_THE_REQUEST:
        return RefusalError(status, f"The upstream refuses the request: {said}")
    return _failed(f"answered {status}: {said}")


def _checked(data: bytes, key: Secret | None) -> dict[str, Any]:
    try:
        answer = decode(data)
    except (ValueError, RecursionError):
        raise _failed("sent what is no JSON") from None
    if is_object(answer) and is_array(answer.get("choices")):
        return answer
    raise _failed(f"reports: {_quoted(answer, key)}")


def _quoted(answer: Any, key: Secret | None) -> str:
    error = answer.get("error") if is_object(answer) else None
    message = error.get("message") if is_object(error) else error
    if not isinstance(message, str):
        return "without a reason"
    if key is not None:
        message = message.replace(key.reveal(), "***")
    return message[:_LONGEST_QUOTE]


def _failed(problem: str) -> RefusalError:
    return RefusalError(502, f"The upstream {problem}")


def _broke_off(error: Exception) -> RefusalError:
    return _failed(f"broke off in the middle of its answer ({_named(error)})")


def _named(error: Exception) -> str:
    """Name an error without its text, which may hold the headers that were sent."""
    reason = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
