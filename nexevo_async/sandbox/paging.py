"""Pages by keyset: a cursor names the last row seen, so that other rows may come and go."""

import base64
import binascii
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.refusal import invalid

_DEFAULT_LIMIT: Final = 20


def page(
    call: Call,
    fetch: Callable[[int | None, int], Sequence[sqlite3.Row]],
    as_json: Callable[[sqlite3.Row], dict[str, Any]],
) -> Answer:
    """Answer one page.

    Args:
        call: The call of a list.
        fetch: Gives the rows that follow a ``seq`` (None: from the start), at most so many.
        as_json: Gives a row's JSON object.
    """
    limit: int = call.query.get("limit", _DEFAULT_LIMIT)
    cursor: str | None = call.query.get("cursor")
    rows = fetch(None if cursor is None else _seq(call, cursor), limit + 1)
    shown, more = rows[:limit], len(rows) > limit
    name = str(call.operation.page)
    return answer(
        {
            name: [as_json(row) for row in shown],
            "has_more": more,
            "next_cursor": _cursor(name, shown[-1]["seq"]) if more else None,
        }
    )


def _cursor(name: str, seq: int) -> str:
    return base64.urlsafe_b64encode(f"{name}:{seq}".encode()).decode().rstrip("=")


def _seq(call: Call, cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    name, _, seq = text.partition(":")
    if name != call.operation.page or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
        raise invalid(
            "cursor", "This is no cursor of this list: give the next_cursor of a page before."
        )
    return int(seq)
