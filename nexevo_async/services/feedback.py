from collections.abc import Iterable
from typing import Literal, Unpack, final

from nexevo_async.config import CallOptions
from nexevo_async.contract import checks
from nexevo_async.contract import feedback as contract
from nexevo_async.contract.feedback import Feedback as FeedbackModel
from nexevo_async.contract.feedback import FeedbackSummary
from nexevo_async.services.caller import Caller, body, query_string


@final
class Feedback:
    """Thumbs up and down, from which the gateway's router learns at once [D]."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def submit(
        self,
        *,
        generation_id: str,
        rating: Literal[1, -1],
        comment: str | None = None,
        tags: Iterable[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> FeedbackModel:
        """Judge a completion [D].

        Args:
            generation_id: The completion: ``resp.nexevo.generation_id``, or ``stream.meta`` has it
                [D].
            rating: 1 is a thumb up, -1 a thumb down [D].
            comment: Free text; about 2,000 characters [D].
            tags: Such as accurate, incorrect, too_verbose, irrelevant; any other may be used [D].
            **options: See `CallOptions`.

        Returns:
            The stored feedback.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The rating is neither 1 nor -1.
            NotFoundError: There is no such generation.

        Example:
            >>> resp = await client.chat.completions.create(
            ...     model="nexevo/balanced", messages=[{"role": "user", "content": "Hello!"}]
            ... )
            >>> feedback = await client.feedback.submit(
            ...     generation_id=resp["nexevo"]["generation_id"], rating=1, tags=["accurate"]
            ... )
            >>> feedback.rating
            1
        """
        if checks.whole("rating", rating) not in {1, -1}:
            raise ValueError(f"rating must be 1 (thumb up) or -1 (thumb down), not {rating}")
        return await self._caller.one(
            contract.SUBMIT,
            contract.SUBMIT.path,
            body=body(
                {
                    "generation_id": checks.string("generation_id", generation_id),
                    "rating": rating,
                    "comment": checks.given(checks.string, "comment", comment),
                    "tags": checks.given(checks.strings, "tags", tags),
                },
                options,
            ),
            options=options,
        )

    async def summary(self, days: int = 7, **options: Unpack[CallOptions]) -> FeedbackSummary:
        """Count the feedback of the last days [D: the call; P: its answer].

        Args:
            days: How many days to look back [D].
            **options: See `CallOptions`.

        Returns:
            The counts, in all, by model and by tag.

        Raises:
            TypeError: ``days`` is not an int.

        Example:
            >>> summary = await client.feedback.summary(days=7)
            >>> summary.days
            7
        """
        return await self._caller.one(
            contract.SUMMARY,
            contract.SUMMARY.path,
            query=query_string({"days": checks.whole("days", days)}),
            options=options,
        )
