import secrets
import time

from nexevo_async.codec.signatures import signature, signing_key


def sign_webhook(
    body: bytes, secret: str, *, id: str | None = None, timestamp: float | None = None
) -> dict[str, str]:
    """Sign a webhook as Nexevo does, to test what receives it.

    Args:
        body: The request's body.
        secret: A ``whsec_…`` secret: ``whsec_`` and base64 of any bytes.
        id: The message's id; None makes one up.
        timestamp: When it is sent, in epoch seconds; None is now.

    Returns:
        The headers that the request carries.

    Raises:
        ValueError: The secret is none.

    Example:
        >>> from nexevo_async.testing import sign_webhook
        >>> sorted(sign_webhook(b"{}", "whsec_c2VjcmV0"))
        ['webhook-id', 'webhook-signature', 'webhook-timestamp']
    """
    key = signing_key(secret)
    if key is None:
        raise ValueError("secret must be whsec_ and base64")
    message = id or f"msg_{secrets.token_urlsafe(18)}"
    seconds = str(int(time.time() if timestamp is None else timestamp))
    return {
        "webhook-id": message,
        "webhook-timestamp": seconds,
        "webhook-signature": signature(key, message, seconds, body),
    }
