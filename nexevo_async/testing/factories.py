"""Models as the gateway would have sent them, for tests that need one and no gateway."""

import copy
import typing
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from nexevo_async.codec.structure import misfit, structurer
from nexevo_async.contract import (
    auth,
    billing,
    chat,
    conversations,
    feedback,
    keys,
    organizations,
    webhooks,
)
from nexevo_async.contract import models as catalogue
from nexevo_async.contract.model import Model, declared, keep_meta
from nexevo_async.headers import Headers
from nexevo_async.meta import Meta
from nexevo_async.shapes import is_array, is_mapping, is_object

M = TypeVar("M", bound=Model)

_TIME: Final = "2026-01-01T00:00:00Z"
_USER: Final = {
    "user_id": "user_1",
    "email": "jane@example.com",
    "full_name": "Jane Doe",
    "two_fa_enabled": False,
    "created_at": _TIME,
}
_MESSAGE: Final = {
    "message_id": "msg_1",
    "conversation_id": "conv_1",
    "role": "user",
    "content": "Hello!",
    "created_at": _TIME,
}
_KEY: Final = {
    "key_id": "key_1",
    "name": "prod-2026",
    "prefix": "sk-xc-AbCd",
    "monthly_spend_cap_usd": None,
    "month_spend_usd": "0",
    "alert_webhook_url": None,
    "geo_policy": "any",
    "organization_id": None,
    "created_at": _TIME,
    "last_used_at": None,
    "revoked_at": None,
}
_ORGANIZATION: Final = {
    "org_id": "org_1",
    "name": "Acme Inc",
    "role": "owner",
    "owner_user_id": "user_1",
    "created_at": _TIME,
}
_FUNCTION: Final = {"name": "get_weather", "arguments": '{"city": "Berlin"}'}
_CHAT_MESSAGE: Final = {"role": "assistant", "content": "Hello!"}
_CHOICE: Final = {"index": 0, "message": _CHAT_MESSAGE, "finish_reason": "stop"}
_USAGE: Final = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
_DELTA: Final = {"content": "Hello!"}
_CHUNK_CHOICE: Final = {"index": 0, "delta": _DELTA, "finish_reason": None}
_HEAD: Final = {"id": "chatcmpl-1", "created": 1767225600, "model": "gpt-4o"}
_NEXEVO: Final = {"generation_id": "gen_1"}
_COUNT: Final = {"total": 1, "positive": 1, "negative": 0}
_PRICING: Final = {"prompt": "2.50", "completion": "10.00"}
_SPENT: Final = {"cost": "0.25", "requests": 10, "input_tokens": 900, "output_tokens": 300}
_DAY: Final = {"date": "2026-01-01", **_SPENT}
_HINT: Final = {"recommend_plan": "pro", "savings_pct": 12.5, "reason": None}
_DATA: Final = {
    "key_id": "key_1",
    "threshold_pct": 80,
    "monthly_spend_cap_usd": "100",
    "month_spend_usd": "80",
}

SAMPLES: Final[dict[type[Model], dict[str, Any]]] = {
    conversations.Message: _MESSAGE,
    conversations.Conversation: {
        "conversation_id": "conv_1",
        "title": "My Session",
        "metadata": {},
        "message_count": 0,
        "created_at": _TIME,
        "updated_at": _TIME,
    },
    chat.FunctionCall: _FUNCTION,
    chat.ToolCall: {"index": 0, "id": "call_1", "type": "function", "function": _FUNCTION},
    chat.ChatMessage: _CHAT_MESSAGE,
    chat.Choice: _CHOICE,
    chat.CompletionUsage: _USAGE,
    chat.NexevoInfo: _NEXEVO,
    chat.ChatCompletion: {
        **_HEAD,
        "object": "chat.completion",
        "choices": [_CHOICE],
        "usage": _USAGE,
        "nexevo": _NEXEVO,
    },
    chat.Delta: _DELTA,
    chat.ChunkChoice: _CHUNK_CHOICE,
    chat.ChatCompletionChunk: {
        **_HEAD,
        "object": "chat.completion.chunk",
        "choices": [_CHUNK_CHOICE],
    },
    catalogue.ModelPricing: _PRICING,
    catalogue.ModelInfo: {
        "id": "gpt-4o",
        "object": "model",
        "created": 1767225600,
        "owned_by": "openai",
        "region": "overseas",
        "pricing": _PRICING,
    },
    feedback.Feedback: {
        "feedback_id": "fb_1",
        "generation_id": "gen_1",
        "rating": 1,
        "comment": None,
        "tags": [],
        "created_at": _TIME,
    },
    feedback.FeedbackCount: _COUNT,
    feedback.FeedbackSummary: {"days": 7, **_COUNT, "by_model": {"gpt-4o": _COUNT}, "by_tag": {}},
    auth.User: _USER,
    auth.Session: {
        "access_token": "token_1",
        "token_type": "bearer",
        "expires_in": 86400,
        "user": _USER,
    },
    auth.TwoFactorStatus: {"enabled": False, "enabled_at": None, "recovery_codes_left": None},
    auth.TwoFactorSetup: {
        "secret": "JBSWY3DPEHPK3PXP",
        "otpauth_url": "otpauth://totp/Nexevo:jane@example.com?secret=JBSWY3DPEHPK3PXP",
    },
    auth.TwoFactorEnabled: {"enabled": True, "recovery_codes": ["code-1", "code-2"]},
    auth.DataExport: {
        "user": _USER,
        "api_keys": [],
        "organizations": [],
        "conversations": [],
        "feedback": [],
        "billing": {"balance_usd": "0", "plan": "payg", "entries": []},
        "exported_at": _TIME,
    },
    keys.Key: _KEY,
    keys.NewKey: {"full_key": "sk-xc-made-up", "key": _KEY},
    organizations.Organization: _ORGANIZATION,
    organizations.NewOrganization: {"organization": _ORGANIZATION},
    organizations.Member: {
        "user_id": "user_1",
        "email": "jane@example.com",
        "role": "developer",
        "status": "active",
        "joined_at": _TIME,
    },
    billing.Balance: {"balance_usd": "100.00"},
    billing.TierUsage: _SPENT,
    billing.DailyUsage: _DAY,
    billing.Usage: {
        "days": 7,
        "total": "0.25",
        "daily": [_DAY],
        "by_tier": {"fast": _SPENT},
    },
    billing.Plan: {"plan": "free", "monthly_quota_usd": None, "rate_limit_rpm": 60},
    billing.PlanHint: _HINT,
    billing.UpgradeHint: {"hint": _HINT},
    billing.Topup: {
        "topup_id": "topup_1",
        "status": "succeeded",
        "amount_usd": "10.00",
        "balance_usd": "110.00",
    },
    billing.CheckoutSession: {
        "checkout_url": "https://pay.nexevo.ai/cs_1",
        "session_id": "cs_1",
        "amount_usd": "10.00",
        "status": "open",
    },
    webhooks.WebhookData: _DATA,
    webhooks.WebhookEvent: {
        "type": webhooks.SPEND_THRESHOLD,
        "timestamp": _TIME,
        "data": _DATA,
    },
}
"""An answer for each model, such as the gateway gives in the plainest case."""


def make(model: type[M], /, **fields: Any) -> M:
    """Make a model for a test: with sensible values, but for the fields that are given.

    It is made by the code that reads the gateway's answers, so it is what a call would have given:
    fields by key and by attribute, and ``.meta``.

    Args:
        model: Which, such as `ChatCompletion`.
        **fields: Values, as the gateway sends them or as the model has them; other models, too. A
            field that the model itself does not have is that of the first part of it that does:
            ``content`` of a `ChatCompletion` is that of its first choice's message.

    Returns:
        The model.

    Raises:
        TypeError: Neither the model nor a part of it has such a field, or a field that has to be
            there is missing.
        ValueError: A value is not what the contract says.

    Example:
        >>> from nexevo_async import ChatCompletion
        >>> from nexevo_async.testing import make
        >>> completion = make(ChatCompletion, content="hi")
        >>> completion.text, completion.usage.total_tokens, completion.meta.status
        ('hi', 12, 200)
    """
    obj = copy.deepcopy(SAMPLES.get(model, {}))
    for name, value in fields.items():
        home = obj if name in declared(model) else _home_of(name, model, obj)
        if home is None:
            raise TypeError(
                f"{model.__name__} has no field {name!r}, nor has any part of it; it has "
                f"{', '.join(sorted(declared(model)))}"
            )
        home[name] = as_json(value)
    try:
        made = structurer(model)(obj)
    except Exception:  # noqa: BLE001 - whatever it is, misfit() finds the place
        path, problem = misfit(model, obj)
    else:
        keep_meta(made, Meta(200, Headers({}), 1, 0.0))
        return made
    error = TypeError if "missing" in problem else ValueError
    raise error(f"make({model.__name__}): {path}: {problem}")


def _home_of(name: str, model: type[Model], obj: dict[str, Any]) -> dict[str, Any] | None:
    """Give the object of the part, nearest first, that declares a field."""
    parts = deque(_parts(model, obj))
    while parts:
        part, inner = parts.popleft()
        if name in declared(part):
            return inner
        parts.extend(_parts(part, inner))
    return None


def _parts(model: type[Model], obj: dict[str, Any]) -> Iterator[tuple[type[Model], dict[str, Any]]]:
    for name, part in _models_of(model).items():
        value: object = obj.get(name)
        if is_array(value) and value:
            value = value[0]
        if is_object(value):
            yield part, value


def _models_of(model: type[Model]) -> dict[str, type[Model]]:
    """Give the fields that hold a model, or a list of one."""
    found: dict[str, type[Model]] = {}
    for name, hint in typing.get_type_hints(model).items():
        inner = [hint, *typing.get_args(hint)]
        inner += [deeper for each in inner for deeper in typing.get_args(each)]
        for each in inner:
            if isinstance(each, type) and issubclass(each, Model) and name in declared(model):
                found[name] = each
    return found


def as_json(value: Any) -> Any:
    """Give a value as the gateway would send it."""
    if isinstance(value, Model):
        return as_json(value.to_dict())
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if is_mapping(value):
        return {name: as_json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
