"""What the gateway says beside its answers."""

import attrs
import msgspec

from nexevo_async.headers import Headers


@attrs.frozen(kw_only=True)
class RateLimit:
    """What is left of the key's requests a minute.

    Attributes:
        remaining: Requests left in the window; None where the gateway did not say.
        reset: Seconds until the window begins anew; None where the gateway did not say.
    """

    remaining: int | None
    reset: float | None


@attrs.frozen(kw_only=True)
class TokenUsage:
    """The tokens that the answer's headers count.

    Attributes:
        input_tokens: Tokens of the request; None where the gateway did not say.
        output_tokens: Tokens of the answer; None where the gateway did not say.
    """

    input_tokens: int | None
    output_tokens: int | None


class Meta(msgspec.Struct, frozen=True, weakref=True):
    """What the gateway said beside its answer. All headers named here are documented by Nexevo [D].

    Attributes:
        status: The HTTP status.
        headers: The answer's headers.
        attempts: Requests that it took to get the answer.
        elapsed: Seconds from the call to the answer (of a stream: to its headers).

    Example:
        >>> models = await client.models.list()
        >>> models.meta.status, models.meta.attempts
        (200, 1)
    """

    status: int
    headers: Headers
    attempts: int
    elapsed: float

    @property
    def trace_id(self) -> str | None:
        """The gateway's id of the request, for its support."""
        return self.headers.get("x-trace-id")

    @property
    def generation_id(self) -> str | None:
        """The id to give feedback on."""
        return self.headers.get("x-nexevo-generation-id")

    @property
    def model_used(self) -> str | None:
        """The model that answered."""
        return self.headers.get("x-nexevo-model-used")

    @property
    def models_tried(self) -> tuple[str, ...]:
        """The models that were asked, in order."""
        tried = self.headers.get("x-nexevo-models-tried", "")
        return tuple(name.strip() for name in tried.split(",") if name.strip())

    @property
    def usage(self) -> TokenUsage:
        """The tokens of the request and its answer."""
        return TokenUsage(
            input_tokens=_whole(self.headers.get("x-usage-input-tokens")),
            output_tokens=_whole(self.headers.get("x-usage-output-tokens")),
        )

    @property
    def rate_limit(self) -> RateLimit:
        """What is left of the key's requests a minute."""
        return RateLimit(
            remaining=_whole(self.headers.get("x-ratelimit-remaining")),
            reset=number(self.headers.get("x-ratelimit-reset")),
        )


def number(text: str | None) -> float | None:
    """Give the number that a header says; None where it says none."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
