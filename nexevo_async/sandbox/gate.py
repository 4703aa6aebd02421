"""Who may come in, and how often."""

import math
from typing import Final, NamedTuple

from nexevo_async.sandbox.clock import Clock
from nexevo_async.sandbox.refusal import RefusalError

DEFAULT_RATE_LIMIT: Final = 60
_WINDOW: Final = 60.0


def bearer(authorization: str | None) -> str:
    """Give the token of an Authorization header.

    Raises:
        RefusalError: it has none.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise RefusalError(
            401, "No API key came with the request: send the header Authorization: Bearer sk-xc-…"
        )
    if not token.isascii():  # nothing that a database could look up
        raise unknown_key()
    return token


def unknown_key() -> RefusalError:
    """Give the refusal of a key that is not, or no longer, good."""
    return RefusalError(
        401,
        "The API key is wrong or was revoked, or the session has ended. "
        "The sandbox shows its own key when it starts.",
    )


class Rate(NamedTuple):
    """What is left of a key's requests, and the seconds until it has all of them again."""

    remaining: int
    reset: int


class RateLimiter:
    """Counts requests by key, in a window of a minute that begins with the first of them.

    Without a limit every answer says what the first one of the documented limit would find: 60
    requests left, and 60 seconds.
    """

    def __init__(self, clock: Clock, per_minute: int | None) -> None:
        self._clock = clock
        self._limit = per_minute
        self._windows: dict[str, tuple[float, int]] = {}

    def untouched(self) -> Rate:
        """Give what a key has that sent nothing yet."""
        return Rate(DEFAULT_RATE_LIMIT if self._limit is None else self._limit, int(_WINDOW))

    def count(self, key_id: str) -> Rate:
        """Count a request.

        Raises:
            RefusalError: the key has none left.
        """
        if self._limit is None:
            return self.untouched()
        now = self._clock.seconds()
        began, used = self._windows.get(key_id, (now, 0))
        if now >= began + _WINDOW:
            began, used = now, 0
        reset = math.ceil(began + _WINDOW - now)
        if used >= self._limit:
            raise RefusalError(
                429,
                f"This key may send {self._limit} requests a minute. Wait {reset} s.",
                headers={
                    "Retry-After": str(reset),
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(reset),
                },
            )
        self._windows[key_id] = (began, used + 1)
        return Rate(self._limit - used - 1, reset)
