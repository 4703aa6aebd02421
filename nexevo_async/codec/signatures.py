"""Signatures of webhooks, in the format of Standard Webhooks: whoever sends one, and who checks."""

import base64
import hashlib
import hmac
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
VERSION: Final = "v1"


def signing_key(secret: str) -> bytes | None:
    """Give the key that a secret stands for; None when it is no secret of a webhook."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True) or None
    except ValueError:
        return None


def signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """Give the signature of a message, with its version."""
    signed = f"{id}.{timestamp}.".encode(errors="surrogatepass") + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"{VERSION},{base64.b64encode(digest).decode()}"
