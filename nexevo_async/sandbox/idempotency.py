"""A repeated request with the same ``Idempotency-Key`` gets the answer of the first.

What the first did and its answer are committed together: a request whose answer was lost can be
sent again without doing anything twice. A refusal did nothing, and is not kept.
"""

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from nexevo_async.sandbox.call import Answer, Call
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.sealing import Seal


class Slot(NamedTuple):
    """Where an answer is kept: a key belongs to an API key and an operation."""

    key_id: str
    operation: str
    idempotency_key: str


def fingerprint(seal: Seal, path: str, body: bytes) -> bytes:
    """Give what tells two requests apart that came with the same key.

    There may be a password in the body, so that this is no hash to compare guesses with.
    """
    return seal.digest(path.encode() + b"\0" + body)


def stored(call: Call, slot: Slot, print_: bytes) -> Answer | None:
    """Give the answer to the first of the requests.

    Raises:
        RefusalError: the first was another request.
    """
    row = call.db.execute(
        "SELECT fingerprint, headers, body FROM idempotency"
        " WHERE key_id = ? AND operation = ? AND idempotency_key = ?",
        slot,
    ).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != print_:
        raise RefusalError(
            409,
            "This Idempotency-Key was used for another request. Use a fresh key for each request.",
            type="idempotency_key_reused",
        )
    return Answer(call.seal.unseal(row["body"]), json.loads(row["headers"]))


def store(call: Call, slot: Slot, print_: bytes, answer: Answer) -> None:
    """Keep an answer, in the transaction of what it tells of; it may hold a key or a token."""
    call.db.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *slot,
            answer.user_id or call.caller.user_id,
            print_,
            json.dumps(dict(answer.headers)),
            call.seal.seal(answer.body),
        ),
    )


def forget(db: sqlite3.Connection, user_id: str) -> None:
    """Forget the answers that a user got."""
    db.execute("DELETE FROM idempotency WHERE user_id = ?", (user_id,))


class Running:
    """The keys whose requests are being answered."""

    def __init__(self) -> None:
        self._slots: set[Slot] = set()

    @contextmanager
    def claimed(self, slot: Slot | None) -> Generator[None]:
        """Hold a key while its request is answered.

        Raises:
            RefusalError: a request with this key is being answered.
        """
        if slot is None:
            yield
            return
        if slot in self._slots:
            raise RefusalError(
                409,
                "A request with this Idempotency-Key is still running. Send it again in a moment.",
                type="idempotency_in_progress",
            )
        self._slots.add(slot)
        try:
            yield
        finally:
            self._slots.discard(slot)
