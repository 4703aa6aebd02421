"""Checks that a webhook comes from Nexevo, before anything in it is believed."""

import hmac
import re
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol

from nexevo_async.codec import json
from nexevo_async.codec.signatures import signature, signing_key
from nexevo_async.codec.structure import misfit, structurer
from nexevo_async.contract import checks
from nexevo_async.contract.model import keep_json
from nexevo_async.contract.webhooks import SPEND_THRESHOLD, WebhookData, WebhookEvent
from nexevo_async.errors import WebhookVerificationError
from nexevo_async.shapes import is_object, is_series

__all__ = ["HasItems", "WebhookData", "WebhookEvent", "verify"]

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_GET_THE_BYTES: Final = (
    "the signature is of the bytes as they came, and a body that was decoded is not those. "
    "Give `await request.body()` in FastAPI, `request.get_data()` in Flask"
)


class HasItems(Protocol):
    """Headers as frameworks have them; many are no mapping."""

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Give each name with its value."""
        ...


def verify(
    body: bytes,
    headers: HasItems | Iterable[tuple[Any, Any]],
    secrets: Iterable[str],
    tolerance: float = 300,
) -> WebhookEvent:
    """Check a webhook's signature and time, and give the event that it tells.

    The form is that of Standard Webhooks [P]. The same event can come more than once: keep the
    ``webhook-id`` of those that were handled.

    Args:
        body: The request's body, as it came.
        headers: The request's headers.
        secrets: The ``alert_webhook_secret`` that setting the URL gave; while it is being changed,
            the old and the new.
        tolerance: Seconds that the time stamp may be away from this machine's clock, before or
            after.

    Returns:
        The event.

    Raises:
        WebhookVerificationError: The webhook is not to be believed; the message says why.
        TypeError: An argument has the wrong type; a body that was decoded, above all.
        ValueError: There is no secret, or one that is none, or the tolerance is below 0.

    Example:
        >>> from nexevo_async import webhooks
        >>> from nexevo_async.testing import sign_webhook
        >>> body = b'{"type": "key.spend_threshold_reached", "data": {"month_spend_usd": "80.00"}}'
        >>> headers = sign_webhook(body, "whsec_c2VjcmV0")
        >>> event = webhooks.verify(body, headers, secrets=["whsec_c2VjcmV0"])
        >>> event.data.month_spend_usd
        Decimal('80.00')
    """
    data = _bytes(body)
    if checks.number("tolerance", tolerance) < 0:
        raise ValueError("tolerance must not be below 0 seconds")
    expected = _Expected(secrets)
    given = _Headers(headers)
    id_, timestamp = given.one("webhook-id"), given.one("webhook-timestamp")
    if not expected.has_signed(id_, timestamp, data, given.all("webhook-signature")):
        raise WebhookVerificationError(
            "No signature in webhook-signature is of this body and one of these secrets: the "
            "secret is another, or the body is not the bytes that came."
        )
    # Only now is the time stamp known to be the sender's.
    late = time.time() - _seconds(timestamp)
    if abs(late) > tolerance:
        where = "old" if late > 0 else "in the future"
        raise WebhookVerificationError(
            f"webhook-timestamp is {abs(late):,.0f} s {where}, and tolerance={tolerance:g} s. It "
            "may be a replay; or this machine's clock is wrong."
        )
    return _event(data)


def _bytes(body: object) -> bytes:
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    raise TypeError(f"body must be bytes, not {checks.described(body)}: {_GET_THE_BYTES}")


class _Headers:
    """The three headers, from whatever a framework gives."""

    def __init__(self, headers: HasItems | Iterable[tuple[Any, Any]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in _pairs(headers):
            self._values.setdefault(_text(name).lower(), []).extend(_texts(value))

    def all(self, name: str) -> list[str]:
        values = self._values.get(name)
        if not values:
            raise WebhookVerificationError(f"The header {name} is missing: this is no webhook.")
        return values

    def one(self, name: str) -> str:
        value, *more = self.all(name)
        if more or not value:
            problem = "comes more than once" if more else "is empty"
            raise WebhookVerificationError(f"The header {name} {problem}.")
        return value


def _pairs(headers: Any) -> list[tuple[object, object]]:
    pairs = headers.items() if hasattr(headers, "items") else headers
    try:
        return [(name, value) for name, value in pairs]
    except (TypeError, ValueError):
        wrong = checks.described(headers)
    raise TypeError(f"headers must be the request's headers, a mapping or pairs, not {wrong}")


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _texts(value: object) -> list[str]:
    return [_text(v) for v in value] if is_series(value) else [_text(value)]


class _Expected:
    """The signatures that the secrets would make; holds their keys where no repr shows them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        keys = [signing_key(secret) for secret in checks.strings("secrets", secrets)]
        problem = "is empty" if not keys else "has one that is no whsec_… secret"
        good = [key for key in keys if key]
        if keys and len(good) == len(keys):
            self._keys: Final = good
            return
        del keys, good, secrets  # tracebacks can show locals
        raise ValueError(f"secrets {problem}: give what setting the webhook's URL gave")

    def has_signed(self, id_: str, timestamp: str, data: bytes, given: list[str]) -> bool:
        """Say whether one of the given signatures is right; in a time that tells nothing."""
        candidates = [
            text.encode(errors="surrogatepass") for line in given for text in line.split(" ")
        ]
        found = False
        for key in self._keys:
            right = signature(key, id_, timestamp, data).encode()
            for candidate in candidates:
                found |= hmac.compare_digest(right, candidate)
        return found


def _seconds(timestamp: str) -> int:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookVerificationError("webhook-timestamp is no number of seconds.")
    return int(timestamp)


def _event(data: bytes) -> WebhookEvent:
    try:
        obj: object = json.decode_with_digits(data)
    except (ValueError, RecursionError):
        obj = None
    if not is_object(obj) or not isinstance(obj.get("type"), str):
        raise WebhookVerificationError(
            "The signature is right, but the body is no event: a JSON object with a type."
        )
    try:
        event = structurer(WebhookEvent)(obj)
    except Exception:  # noqa: BLE001 - whatever it is, misfit() finds the place
        if obj["type"] == SPEND_THRESHOLD:
            path, problem = misfit(WebhookEvent, obj)
            raise WebhookVerificationError(
                f"The signature is right, but the event does not fit: {problem} at {path}."
            ) from None
        event = _of_a_new_type(obj)
    json.forget_digits(obj)
    return event


def _of_a_new_type(obj: dict[str, Any]) -> WebhookEvent:
    """Give an event whose data this version does not know: they are kept as they came."""
    data: WebhookData | None = None
    about: object = obj.get("data")
    if is_object(about):
        data = WebhookData()
        keep_json(data, about)
    event = WebhookEvent(type=obj["type"], data=data)
    keep_json(event, obj)
    return event
