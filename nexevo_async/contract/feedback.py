from datetime import datetime
from typing import Annotated, Final, Literal, NotRequired, TypedDict

import attrs
import msgspec

from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation


@attrs.frozen(kw_only=True)
class Feedback(Model):
    """A thumb up or down that was stored, and that the router has learned from.

    Attributes:
        feedback_id: Its id [P].
        generation_id: The completion that it judges [P].
        rating: 1 or -1 [P].
        comment: The free text [P].
        tags: The tags [P].
        created_at: When it was stored, in UTC [P].
    """

    feedback_id: str | None = None
    generation_id: str | None = None
    rating: int | None = None
    comment: str | None = None
    tags: list[str] | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True)
class FeedbackCount(Model):
    """How often a model or a tag was judged [P].

    Attributes:
        total: Thumbs in all.
        positive: Thumbs up.
        negative: Thumbs down.
    """

    total: int | None = None
    positive: int | None = None
    negative: int | None = None


@attrs.frozen(kw_only=True)
class FeedbackSummary(Model):
    """The feedback of the last days, counted [P].

    Attributes:
        days: How many days were counted.
        total: Thumbs in all.
        positive: Thumbs up.
        negative: Thumbs down.
        by_model: The same by the model that had answered.
        by_tag: The same by tag.
    """

    days: int | None = None
    total: int | None = None
    positive: int | None = None
    negative: int | None = None
    by_model: dict[str, FeedbackCount] | None = None
    by_tag: dict[str, FeedbackCount] | None = None


class FeedbackBody(TypedDict):
    """The body of submit; a comment may have about 2K characters [D], 2,048 in the sandbox [P]."""

    generation_id: str
    rating: Literal[1, -1]
    comment: NotRequired[Annotated[str, msgspec.Meta(max_length=2048)] | None]
    tags: NotRequired[list[str] | None]


class DaysQuery(TypedDict, total=False):
    """How far back a report looks; the gateway's default is 7 days."""

    days: Annotated[int, msgspec.Meta(ge=1)]


SUBMIT: Final = Operation(
    name="feedback.submit",
    method="POST",
    path="/feedback",
    answer=Feedback,
    body=FeedbackBody,
    envelope="feedback",
    documented="D",
    summary="Judge a completion.",
)
SUMMARY: Final = Operation(
    name="feedback.summary",
    method="GET",
    path="/feedback/summary",
    answer=FeedbackSummary,
    query=DaysQuery,
    envelope="summary",
    resend="idempotent",
    summary="Count the feedback of the last days.",
)

OPERATIONS: Final = (SUBMIT, SUMMARY)
