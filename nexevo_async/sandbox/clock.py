import time
from datetime import UTC, datetime, timedelta
from typing import Final

_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    """The time of the sandbox: the machine's, moved forward as far as a test likes."""

    def __init__(self) -> None:
        self._offset = 0.0

    def seconds(self) -> float:
        """Give the epoch seconds."""
        return time.time() + self._offset

    def now(self) -> datetime:
        """Give the time in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the time forward.

        Raises:
            ValueError: it would go back, or beyond the year 9000.
        """
        if not 0 <= seconds <= _LAST - self.seconds():
            raise ValueError("the clock moves forward only, and not beyond the year 9000")
        self._offset += seconds

    def reset(self) -> None:
        """Show the machine's time again."""
        self._offset = 0.0


def rfc3339(when: datetime) -> str:
    """Write a UTC time; always as long, so that texts sort as their times do."""
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def epoch_seconds(now: str) -> int:
    """Give the whole epoch seconds of an RFC 3339 time."""
    return int(datetime.fromisoformat(now).timestamp())


def days_before(now: str, days: int) -> str:
    """Give the RFC 3339 time that many days earlier, or the first there is."""
    when = datetime.fromisoformat(now)
    try:
        return rfc3339(when - timedelta(days=days))
    except OverflowError:
        return rfc3339(datetime.min.replace(tzinfo=UTC))


def seconds_until(now: str, when: str) -> float:
    """Give the seconds from one RFC 3339 time to another; 0 where it has passed."""
    return max(0.0, (datetime.fromisoformat(when) - datetime.fromisoformat(now)).total_seconds())


def month_end(now: str) -> str:
    """Give the RFC 3339 time at which the UTC month is over."""
    when = datetime.fromisoformat(now)
    return rfc3339(datetime(when.year + when.month // 12, when.month % 12 + 1, 1, tzinfo=UTC))


def later(now: str, seconds: float) -> str:
    """Give the RFC 3339 time that many seconds later."""
    return rfc3339(datetime.fromisoformat(now) + timedelta(seconds=seconds))
