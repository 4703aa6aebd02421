from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import attrs

from nexevo_async.contract.model import Model

SPEND_THRESHOLD: Final = "key.spend_threshold_reached"


@attrs.frozen(kw_only=True)
class WebhookData(Model):
    """What an event is about; the fields are those of ``key.spend_threshold_reached`` [P].

    Attributes:
        key_id: The API key.
        threshold_pct: How much of its cap is spent, in per cent: 80 or 100.
        monthly_spend_cap_usd: The cap.
        month_spend_usd: What the key has spent this month.
    """

    key_id: str | None = None
    threshold_pct: int | None = None
    monthly_spend_cap_usd: Decimal | None = None
    month_spend_usd: Decimal | None = None


@attrs.frozen(kw_only=True)
class WebhookEvent(Model):
    """What a webhook tells.

    Attributes:
        type: What happened; new types may come [P].
        timestamp: When, in UTC [P].
        data: What it is about. Of a type that this SDK does not know, read it by key [P].
    """

    type: Literal["key.spend_threshold_reached"] | str
    timestamp: datetime | None = None
    data: WebhookData | None = None
