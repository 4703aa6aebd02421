"""Answers in the place of the network, for tests of the code around the calls."""

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, final

import msgspec

from nexevo_async.byte_stream import ByteStream
from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.table import OPERATIONS
from nexevo_async.headers import Headers
from nexevo_async.messages import Body, Handler, Request, Response, Route
from nexevo_async.shapes import is_array
from nexevo_async.testing.factories import as_json

Answer: TypeAlias = Model | Sequence[Model] | Mapping[str, Any] | Response | BaseException | None
"""What a `FakeTransport` may answer."""

_NAMES: Final = frozenset(operation.name for operation in OPERATIONS)


@final
class FakeTransport:
    """Answers calls without a gateway and without a socket, for unit tests.

    Give it to a client as its ``attempt_middleware``: the client checks arguments, retries and
    reads answers as ever, and nothing leaves the process. It needs no key. For a gateway that
    behaves, take `Sandbox`.

    Attributes:
        requests: The requests that came, oldest first; each attempt is one.

    Example:
        >>> from nexevo_async import AsyncNexevo, Conversation
        >>> from nexevo_async.testing import FakeTransport, make
        >>> fake = FakeTransport()
        >>> fake.answer("conversations.get", make(Conversation, title="My Session"))
        >>> faked = AsyncNexevo(attempt_middleware=[fake])
        >>> (await faked.conversations.get("conv_1")).title
        'My Session'
        >>> [(request.operation.name, request.path) for request in fake.requests]
        [('conversations.get', '/conversations/conv_1')]
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, deque[Answer]] = {}

    def answer(self, operation: str, *answers: Answer) -> None:
        """Set what the calls of an operation are answered; it replaces what was set before.

        Args:
            operation: Its name, such as ``conversations.get``; or ``request GET`` for a call of
                the client's own ``request``.
            *answers: For one call after the other, and the last for all that follow. A model, or a
                list of models for a page, or of chunks for a stream; a dict for any other JSON;
                None for a call that gives nothing; what `refusal` gives; or an exception, which is
                raised.

        Raises:
            ValueError: There is no such operation, or no answer.
        """
        if operation not in _NAMES and not operation.startswith("request "):
            raise ValueError(f"there is no operation {operation!r}")
        if not answers:
            raise ValueError(f"{operation}: give at least one answer")
        self._answers[operation] = deque(answers)

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Answer a request: what makes this a middleware."""
        del call_next
        self.requests.append(request)
        request.progress.attempts += 1
        answers = self._answers.get(request.operation.name)
        if answers is None:
            name = request.operation.name
            raise LookupError(f"nothing was set to answer {name}: fake.answer({name!r}, …)")
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Response):
            response = copy.copy(answer)
        elif request.stream:
            response = Response(status=200, headers=Headers({}), stream=_events(answer))
        else:
            response = _json(200, _in_page(request.operation, answer))
        response.attempts, response.elapsed = request.progress.attempts, request.progress.elapsed
        return response


def refusal(
    status: int,
    code: str,
    message: str = "refused by the test",
    *,
    retry_after: float | None = None,
) -> Response:
    """Give the answer with which the gateway refuses a call.

    Args:
        status: The HTTP status, such as 429.
        code: The error's code and type, such as ``rate_limit_exceeded``.
        message: What the error says.
        retry_after: Seconds that it asks to wait.

    Returns:
        What `FakeTransport.answer` takes.

    Example:
        >>> from nexevo_async import AsyncNexevo, NotFoundError
        >>> from nexevo_async.testing import FakeTransport, refusal
        >>> fake = FakeTransport()
        >>> fake.answer("conversations.get", refusal(404, "not_found"))
        >>> try:
        ...     _ = await AsyncNexevo(attempt_middleware=[fake]).conversations.get("conv_1")
        ... except NotFoundError as error:
        ...     print(error.code)
        not_found
    """
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    error = {"message": message, "type": code, "code": code}
    return _json(status, {"error": error}, headers)


def _json(status: int, obj: object, headers: Mapping[str, str] | None = None) -> Response:
    body = b"" if obj is None else msgspec.json.encode(obj)
    return Response(status=status, headers=Headers(headers or {}), body=Body(body))


def _in_page(operation: Route, answer: object) -> object:
    obj = as_json(answer)
    if isinstance(operation, Operation) and operation.page and is_array(obj):
        return {operation.page: obj, "has_more": False}
    return obj


def _events(answer: object) -> ByteStream:
    if not is_array(answer):
        raise TypeError("a stream is answered by a list of chunks: [make(ChatCompletionChunk), …]")
    frames = [msgspec.json.encode(as_json(chunk)) for chunk in answer]
    events = deque([*(b"data: %s\n\n" % frame for frame in frames), b"data: [DONE]\n\n"])

    async def read() -> bytes:
        return events.popleft() if events else b""

    async def finish() -> None:
        pass

    return ByteStream(read=read, finish=finish, close=events.clear)
