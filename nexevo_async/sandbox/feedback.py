"""Thumbs: a generation has one, and a second submit takes the first one's place."""

import json
import sqlite3
from typing import Any

from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.clock import days_before
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.refusal import not_found


def submit(call: Call) -> Answer:
    """Store a thumb; the router's next choice knows of it."""
    generation_id = call.body["generation_id"]
    generation = call.db.execute(
        "SELECT model FROM generations WHERE generation_id = ? AND account_id = ?",
        (generation_id, call.caller.account_id),
    ).fetchone()
    if generation is None:
        raise not_found("generation", generation_id)
    judged: dict[str, Any] = {
        "feedback_id": new_id("fb_"),
        "generation_id": generation_id,
        "rating": call.body["rating"],
        "comment": call.body.get("comment"),
        "tags": list(dict.fromkeys(call.body.get("tags") or ())),
        "created_at": call.now,
    }
    call.db.execute(
        "INSERT OR REPLACE INTO feedback"
        " (generation_id, feedback_id, account_id, model, rating, comment, tags, created_at)"
        " VALUES (:generation_id, :feedback_id, :account_id, :model, :rating, :comment, :tags,"
        " :created_at)",
        judged
        | {
            "account_id": call.caller.account_id,
            "model": generation["model"],
            "tags": json.dumps(judged["tags"]),
        },
    )
    return answer(judged)


def summary(call: Call) -> Answer:
    """Count the thumbs of the last days."""
    days: int = call.query.get("days", 7)
    rows = call.db.execute(
        "SELECT rating, tags, model FROM feedback WHERE account_id = ? AND created_at >= ?",
        (call.caller.account_id, days_before(call.now, days)),
    ).fetchall()
    total = _nothing()
    by_model: dict[str, dict[str, int]] = {}
    by_tag: dict[str, dict[str, int]] = {}
    for row in rows:
        tags = (by_tag.setdefault(tag, _nothing()) for tag in json.loads(row["tags"]))
        for counts in (total, by_model.setdefault(row["model"], _nothing()), *tags):
            counts["total"] += 1
            counts["positive" if row["rating"] == 1 else "negative"] += 1
    return answer({"days": days, **total, "by_model": by_model, "by_tag": by_tag})


def export(db: sqlite3.Connection, account_id: str) -> list[dict[str, Any]]:
    """Give all thumbs of an account, oldest first."""
    names = ("feedback_id", "generation_id", "rating", "comment", "created_at")
    return [
        {name: row[name] for name in names} | {"tags": json.loads(row["tags"])}
        for row in db.execute(
            "SELECT * FROM feedback WHERE account_id = ? ORDER BY seq", (account_id,)
        ).fetchall()
    ]


def _nothing() -> dict[str, int]:
    return {"total": 0, "positive": 0, "negative": 0}
