"""API keys.

What the contract leaves open, and how it is here: a person's key does what the person may do, keys
included, and a list shows the keys of the person and of the person's organizations. A revoked key
stays visible; to revoke it again changes nothing, and anything else is 409. A webhook's secret is
new each time that its URL is set.
"""

import base64
import re
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from nexevo_async.sandbox import alerts, ledger
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.keyring import create_key, new_api_key
from nexevo_async.sandbox.membership import MANAGERS, require, require_person
from nexevo_async.sandbox.money import written
from nexevo_async.sandbox.paging import page
from nexevo_async.sandbox.refusal import RefusalError, invalid, not_found

_END: Final = 2**62
_CAP: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_SHOWN: Final = (
    "key_id",
    "name",
    "prefix",
    "monthly_spend_cap_usd",
    "alert_webhook_url",
    "geo_policy",
    "organization_id",
    "created_at",
    "last_used_at",
    "revoked_at",
)
# Those of the caller's own account, and those of the caller's organizations.
_VISIBLE: Final = (
    "(:org_id IS NULL AND (organization_id IS NULL AND user_id = :user_id OR organization_id IN"
    " (SELECT org_id FROM members WHERE user_id = :user_id)) OR organization_id = :org_id)"
)


def create(call: Call) -> Answer:
    """Make a key, and show it this once."""
    require_person(call)
    org_id: str | None = call.body.get("organization_id")
    if org_id is not None:
        require(call, org_id, MANAGERS)
    cap: str | None = call.body.get("monthly_spend_cap_usd")
    if cap is not None:
        _check_cap(cap)
    full_key = new_api_key()
    key_id = create_key(
        call.db,
        user_id=call.caller.user_id,
        name=call.body["name"],
        secret=full_key,
        now=call.now,
        organization_id=org_id,
        monthly_spend_cap_usd=cap,
        geo_policy=call.body.get("geo_policy") or "any",
    )
    return answer({"full_key": full_key, "key": _shown(call, _row(call, key_id))})


def list_(call: Call) -> Answer:
    """Give the caller's keys and those of the caller's organizations, newest first."""

    def fetch(after: int | None, limit: int) -> Sequence[sqlite3.Row]:
        return call.db.execute(
            f"SELECT * FROM keys WHERE {_VISIBLE} AND seq < :after"  # noqa: S608 - text of ours
            " ORDER BY seq DESC LIMIT :limit",
            _whose(call) | {"after": _END if after is None else after, "limit": limit},
        ).fetchall()

    return page(call, fetch, lambda row: _shown(call, row))


def get(call: Call) -> Answer:
    """Give a key."""
    return answer(_shown(call, _row(call, call.ids[0])))


def revoke(call: Call) -> Answer:
    """Have a key be refused from now on; a key that was revoked before stays as it is."""
    key = _managed(call)
    call.db.execute(
        "UPDATE keys SET revoked_at = ? WHERE seq = ? AND revoked_at IS NULL",
        (call.now, key["seq"]),
    )
    return Answer()


def update_spend_cap(call: Call) -> Answer:
    """Set or clear what a key may spend in a month."""
    key = _working(call)
    cap = _set_or_cleared(call, "monthly_spend_cap_usd")
    if cap is not None:
        _check_cap(cap)
    changed = _changed(call, key, monthly_spend_cap_usd=cap)
    due = alerts.note(call.db, key["key_id"], ledger.month_of(call.now), call.now)
    return answer(changed, alerts=due)


def update_alert_webhook(call: Call) -> Answer:
    """Set or clear who is told when a key's cap comes near; each URL gets a secret of its own."""
    key = _working(call)
    url = _set_or_cleared(call, "url")
    if url is None:
        return answer(_changed(call, key, alert_webhook_url=None, alert_webhook_secret=None))
    _check_url(url)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    sealed = call.seal.seal(secret.encode())
    changed = _changed(call, key, alert_webhook_url=url, alert_webhook_secret=sealed)
    return answer(changed | {"alert_webhook_secret": secret})


def update_geo_policy(call: Call) -> Answer:
    """Set where a key's models may run."""
    return answer(_changed(call, _working(call), geo_policy=call.body["policy"]))


def key_as_json(db: sqlite3.Connection, row: sqlite3.Row, now: str) -> dict[str, Any]:
    """Give a key's JSON object."""
    spent = ledger.spent(db, row["key_id"], ledger.month_of(now))
    return {name: row[name] for name in _SHOWN} | {"month_spend_usd": written(spent)}


def _shown(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    return key_as_json(call.db, row, call.now)


def _whose(call: Call) -> dict[str, Any]:
    return {"user_id": call.caller.user_id, "org_id": call.caller.organization_id}


def _row(call: Call, key_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = call.db.execute(
        f"SELECT * FROM keys WHERE {_VISIBLE} AND key_id = :key_id",  # noqa: S608 - text of ours
        _whose(call) | {"key_id": key_id},
    ).fetchone()
    if row is None:
        raise not_found("key", key_id)
    return row


def _managed(call: Call) -> sqlite3.Row:
    key = _row(call, call.ids[0])
    if key["organization_id"] is not None:
        require(call, key["organization_id"], MANAGERS)
    return key


def _working(call: Call) -> sqlite3.Row:
    key = _managed(call)
    if key["revoked_at"] is not None:
        raise RefusalError(409, f"The key {key['key_id']!r} was revoked, and stays as it is.")
    return key


def _changed(call: Call, key: sqlite3.Row, **columns: str | bytes | None) -> dict[str, Any]:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    call.db.execute(
        f"UPDATE keys SET {assignments} WHERE seq = ?",  # noqa: S608 - names of ours
        (*columns.values(), key["seq"]),
    )
    return _shown(call, _row(call, key["key_id"]))


def _set_or_cleared(call: Call, name: str) -> str | None:
    value: str | None = call.body.get(name)
    if call.body.get("clear"):
        if value is not None:
            raise invalid("clear", f"clear goes without {name}.")
        return None
    if value is None:
        raise invalid(name, f"Give {name}, or clear: true.")
    return value


def _check_cap(cap: str) -> None:
    if not _CAP.fullmatch(cap):  # the contract's pattern lets a last line feed pass
        raise invalid("monthly_spend_cap_usd", 'The cap is a decimal string, such as "100.00".')


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise invalid("url", "The alert webhook must be an HTTPS URL, such as https://example.com.")
