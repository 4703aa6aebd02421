import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from nexevo_async.contract.checks import METADATA_BYTES
from nexevo_async.sandbox import router
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.paging import page
from nexevo_async.sandbox.refusal import invalid, not_found

_START: Final = -1
_END: Final = 2**62


def create(call: Call) -> Answer:
    """Store a conversation."""
    inserted = call.db.execute(
        "INSERT INTO conversations"
        " (conversation_id, account_id, title, metadata, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            new_id("conv_"),
            call.caller.account_id,
            call.body.get("title"),
            _stored(call.body.get("metadata")),
            call.now,
            call.now,
        ),
    )
    return answer(_conversation(_row(call, inserted.lastrowid)))


def list_(call: Call) -> Answer:
    """Give the caller's conversations, newest first."""

    def fetch(after: int | None, limit: int) -> Sequence[sqlite3.Row]:
        return call.db.execute(
            "SELECT * FROM conversations WHERE account_id = ? AND seq < ?"
            " ORDER BY seq DESC LIMIT ?",
            (call.caller.account_id, _END if after is None else after, limit),
        ).fetchall()

    return page(call, fetch, _conversation)


def get(call: Call) -> Answer:
    """Give a conversation with all its messages."""
    row = _own(call)
    messages = _messages(call.db, row["conversation_id"], _START, -1)
    return answer(_conversation(row) | {"messages": [_message(message) for message in messages]})


def update(call: Call) -> Answer:
    """Change what was given; null clears."""
    seq = _own(call)["seq"]
    changes: dict[str, str | None] = {}
    if "title" in call.body:
        changes["title"] = call.body["title"]
    if "metadata" in call.body:
        changes["metadata"] = _stored(call.body["metadata"])
    if changes:
        columns = ", ".join(f"{column} = ?" for column in (*changes, "updated_at"))
        call.db.execute(
            f"UPDATE conversations SET {columns} WHERE seq = ?",  # noqa: S608 - names of ours
            (*changes.values(), call.now, seq),
        )
    return answer(_conversation(_row(call, seq)))


def delete(call: Call) -> Answer:
    """Delete a conversation; its messages go with it."""
    call.db.execute("DELETE FROM conversations WHERE seq = ?", (_own(call)["seq"],))
    router.forget_conversation(call, call.ids[0])
    return Answer()


def append_message(call: Call) -> Answer:
    """Store a message."""
    conversation = _own(call)
    message = {
        "message_id": new_id("msg_"),
        "conversation_id": conversation["conversation_id"],
        "role": call.body["role"],
        "content": call.body["content"],
        "created_at": call.now,
    }
    call.db.execute(
        "INSERT INTO messages (message_id, conversation_id, role, content, created_at)"
        " VALUES (:message_id, :conversation_id, :role, :content, :created_at)",
        message,
    )
    call.db.execute(
        "UPDATE conversations SET message_count = message_count + 1, updated_at = ? WHERE seq = ?",
        (call.now, conversation["seq"]),
    )
    return answer(message)


def list_messages(call: Call) -> Answer:
    """Give a conversation's messages, oldest first."""
    _own(call)

    def fetch(after: int | None, limit: int) -> Sequence[sqlite3.Row]:
        return _messages(call.db, call.ids[0], _START if after is None else after, limit)

    return page(call, fetch, _message)


def export(db: sqlite3.Connection, account_id: str) -> list[dict[str, Any]]:
    """Give all conversations of an account with their messages, oldest first."""
    return [
        _conversation(row)
        | {
            "messages": [
                _message(message) for message in _messages(db, row["conversation_id"], _START, -1)
            ]
        }
        for row in db.execute(
            "SELECT * FROM conversations WHERE account_id = ? ORDER BY seq", (account_id,)
        ).fetchall()
    ]


def _own(call: Call) -> sqlite3.Row:
    (conversation_id,) = call.ids
    row: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM conversations WHERE conversation_id = ? AND account_id = ?",
        (conversation_id, call.caller.account_id),
    ).fetchone()
    if row is None:
        raise not_found("conversation", conversation_id)
    return row


def _row(call: Call, seq: int | None) -> sqlite3.Row:
    row: sqlite3.Row = call.db.execute(
        "SELECT * FROM conversations WHERE seq = ?", (seq,)
    ).fetchone()
    return row


def _messages(
    db: sqlite3.Connection, conversation_id: str, after: int, limit: int
) -> Sequence[sqlite3.Row]:
    return db.execute(
        "SELECT * FROM messages WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (conversation_id, after, limit),
    ).fetchall()


def _stored(metadata: dict[str, Any] | None) -> str | None:
    if metadata is None:
        return None
    text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
    if (size := len(text.encode())) > METADATA_BYTES:
        raise invalid(
            "metadata",
            f"metadata is {size:,} bytes as compact JSON; "
            f"at most {METADATA_BYTES:,} (4 KB) are stored.",
        )
    return text


def _conversation(row: sqlite3.Row) -> dict[str, Any]:
    metadata: str | None = row["metadata"]
    return {
        "conversation_id": row["conversation_id"],
        "title": row["title"],
        "metadata": None if metadata is None else msgspec.Raw(metadata.encode()),
        "message_count": row["message_count"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _message(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: row[name]
        for name in ("message_id", "conversation_id", "role", "content", "created_at")
    }
