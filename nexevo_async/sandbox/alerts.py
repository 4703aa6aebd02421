"""Alerts: a webhook at 80 % and at 100 % of a key's cap, each once a month.

An alert is written in the transaction of what brought it about, and sent from there: neither a
receiver that is down nor the end of the process loses it.
"""

import asyncio
import logging
import sqlite3
import ssl
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import aiohttp
import msgspec

from nexevo_async.codec.signatures import signature, signing_key
from nexevo_async.contract.webhooks import SPEND_THRESHOLD
from nexevo_async.sandbox import ledger
from nexevo_async.sandbox.clock import Clock, later, rfc3339, seconds_until
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.money import EXACT, written
from nexevo_async.sandbox.store import Store

_log: Final = logging.getLogger("nexevo.sandbox")

THRESHOLDS_PCT: Final = (80, 100)
# Seconds to wait after the first, second, third and fourth failure; the fifth is the last.
WAITS_S: Final = (5, 30, 120, 600)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_encoder: Final = msgspec.json.Encoder()


def note(db: sqlite3.Connection, key_id: str, month: str, now: str) -> bool:
    """Write down the alerts that a key's spending calls for.

    Returns:
        Whether there are any.
    """
    key = db.execute(
        "SELECT monthly_spend_cap_usd FROM keys WHERE key_id = ?"
        " AND monthly_spend_cap_usd IS NOT NULL AND alert_webhook_url IS NOT NULL",
        (key_id,),
    ).fetchone()
    if key is None:
        return False
    cap, spent = Decimal(key["monthly_spend_cap_usd"]), ledger.spent(db, key_id, month)
    data = {
        "key_id": key_id,
        "monthly_spend_cap_usd": written(cap),
        "month_spend_usd": written(spent),
    }
    any_ = False
    for threshold in THRESHOLDS_PCT:
        if EXACT.multiply(spent, 100) >= EXACT.multiply(cap, threshold):
            about = {**data, "threshold_pct": threshold}
            body = _encoder.encode({"type": SPEND_THRESHOLD, "timestamp": now, "data": about})
            inserted = db.execute(
                "INSERT OR IGNORE INTO alerts VALUES (?, ?, ?, ?, ?, 0, ?)",
                (key_id, month, threshold, new_id("msg_"), body, now),
            )
            any_ |= inserted.rowcount == 1
    return any_


class Alerts:
    """Sends the alerts that were written down.

    Args:
        store: Where they are.
        clock: Says when the next try is due.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Have it look what is due; from any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def deliver(self) -> None:
        """Send what is due, for ever."""
        while True:
            self._wake.clear()
            due, next_at = await self._store.run(self._due)
            if due:
                await asyncio.gather(*(self._try(alert) for alert in due))
                continue
            wait = None if next_at is None else seconds_until(self._now(), next_at)
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def _now(self) -> str:
        return rfc3339(self._clock.now())

    def _due(self, db: sqlite3.Connection) -> tuple[Sequence[sqlite3.Row], str | None]:
        due = db.execute(
            "SELECT alerts.*, alert_webhook_url, alert_webhook_secret FROM alerts"
            " JOIN keys USING (key_id) WHERE due_at <= ?",
            (self._now(),),
        ).fetchall()
        (next_at,) = db.execute("SELECT min(due_at) FROM alerts").fetchone()
        return due, next_at

    async def _try(self, alert: sqlite3.Row) -> None:
        problem = await self._problem(alert)
        tries: int = alert["tries"] + 1
        over = problem is None or tries > len(WAITS_S)
        due_at = None if over else later(self._now(), WAITS_S[tries - 1])
        await self._store.run(
            lambda db: db.execute(
                "UPDATE alerts SET tries = ?, due_at = ? WHERE alert_id = ?",
                (tries, due_at, alert["alert_id"]),
            )
        )
        if problem is not None:
            _log.warning("Try %s of the alert of %s failed: %s", tries, alert["key_id"], problem)

    async def _problem(self, alert: sqlite3.Row) -> str | None:
        """Send an alert, and say what went wrong."""
        url: str | None = alert["alert_webhook_url"]
        if url is None:
            return None  # whoever was to be told no longer is
        if not url.startswith("https://"):
            return "its URL is no HTTPS one"
        secret = self._store.seal.unseal(alert["alert_webhook_secret"]).decode()
        key = signing_key(secret)
        assert key is not None  # noqa: S101 - it was made here
        # The machine's time, whatever the sandbox's clock shows: the receiver compares with it.
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "nexevo-sandbox",
            "webhook-id": alert["alert_id"],
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(key, alert["alert_id"], timestamp, alert["body"]),
        }
        # It reads SSL_CERT_FILE, and takes too long for a loop.
        tls = await asyncio.to_thread(ssl.create_default_context)
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(
                    url, data=alert["body"], headers=headers, ssl=tls, allow_redirects=False
                ) as response,
            ):
                return None if response.ok and response.status < 300 else str(response.status)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return type(error).__name__
