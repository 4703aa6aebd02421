"""What a handler gets and gives."""

import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import attrs
import msgspec

from nexevo_async.contract.operation import Operation
from nexevo_async.sandbox.caller import Caller
from nexevo_async.sandbox.catalogue import Choice
from nexevo_async.sandbox.outbox import Mail
from nexevo_async.sandbox.passwords import Proof
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.sealing import Seal
from nexevo_async.secret import Secret

_encoder: Final = msgspec.json.Encoder()


class Relay(NamedTuple):
    """What the upstream is to answer.

    Attributes:
        choice: The model.
        body: What the upstream is sent.
        most_output_tokens: For how long an answer money is set aside.
        key: The caller's own key of the upstream, in place of the sandbox's.
    """

    choice: Choice
    body: Mapping[str, Any]
    most_output_tokens: int
    key: Secret | None


class Site(NamedTuple):
    """What a handler may know of the gateway that it serves.

    Attributes:
        url: Where it answers, without a path.
        rate_limit_rpm: Requests that a key may send a minute.
    """

    url: str
    rate_limit_rpm: int


@attrs.frozen(kw_only=True)
class Call:
    """One request of a caller who was let in, inside its transaction.

    Attributes:
        operation: What is called.
        db: The database, inside a transaction that is committed when the handler returns.
        caller: Who calls.
        ids: The path's parameters, in order.
        query: The query's members, checked.
        body: The body's declared members, checked.
        raw: The whole body as decoded JSON.
        now: The time, in RFC 3339.
        site: The gateway.
        generation_id: What a completion is to be known by.
        seal: Seals what must not lie in the database in clear.
        proof: What was found out about the passwords of the body.
        chance: What the router draws from.
        has_upstream: Whether a server behind this one answers where a model is named.
        failed: The models that the upstream did not have answer, as the request names them.
    """

    operation: Operation[Any]
    db: sqlite3.Connection
    caller: Caller
    ids: tuple[str, ...]
    query: Mapping[str, Any]
    body: Mapping[str, Any] = attrs.field(repr=False)
    raw: Mapping[str, Any] = attrs.field(repr=False)
    now: str
    site: Site
    generation_id: str
    seal: Seal
    proof: Proof
    chance: random.Random
    has_upstream: bool
    failed: Mapping[str, RefusalError]


@attrs.frozen
class Answer:
    """A success, as it is stored for the case that the request comes again.

    Attributes:
        body: The JSON body, or nothing.
        headers: The headers that belong to this answer.
        mails: What goes to the outbox with it, the first time.
        user_id: Whose the answer is, where nobody was known to call.
        relay: What is to be asked of the upstream before there is an answer.
        alerts: Whether an alert is due with it.
    """

    body: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    mails: Sequence[Mail] = attrs.field(default=(), repr=False)
    user_id: str | None = None
    relay: Relay | None = attrs.field(default=None, repr=False)
    alerts: bool = False


Handler: TypeAlias = Callable[[Call], Answer]


def answer(
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    mails: Sequence[Mail] = (),
    user_id: str | None = None,
    *,
    alerts: bool = False,
) -> Answer:
    """Give the answer with that JSON body."""
    return Answer(_encoder.encode(body), headers or {}, mails, user_id, alerts=alerts)
