"""The asyncio client of the Nexevo.ai LLM gateway.

PYTEST_DONT_REWRITE, for no assertion in here is a test's.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexevo_async import webhooks
    from nexevo_async.api_key import KeySource
    from nexevo_async.client import AsyncNexevo
    from nexevo_async.config import CallOptions, Limits, RetryPolicy, Timeouts
    from nexevo_async.contract.auth import (
        DataExport,
        Session,
        TwoFactorEnabled,
        TwoFactorSetup,
        TwoFactorStatus,
        User,
    )
    from nexevo_async.contract.chat import (
        ChatCompletion,
        ChatCompletionChunk,
        ChatMessage,
        Choice,
        ChunkChoice,
        CompletionUsage,
        Delta,
        FunctionCall,
        MaxPrice,
        MessageParam,
        NexevoInfo,
        ProviderOptions,
        ToolCall,
    )
    from nexevo_async.contract.conversations import Conversation, Message, Role
    from nexevo_async.contract.feedback import Feedback, FeedbackCount, FeedbackSummary
    from nexevo_async.contract.keys import GeoPolicy, Key, NewKey
    from nexevo_async.contract.model import Model
    from nexevo_async.contract.models import ModelInfo, ModelPricing
    from nexevo_async.contract.organizations import (
        Member,
        NewOrganization,
        Organization,
        OrganizationRole,
    )
    from nexevo_async.contract.webhooks import WebhookData, WebhookEvent
    from nexevo_async.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        DecodeError,
        InsufficientBalanceError,
        InternalServerError,
        NexevoError,
        NotFoundError,
        PaginationError,
        PaymentRequiredError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitError,
        RequestTooLargeError,
        SpendCapExceededError,
        StreamError,
        StreamTruncatedError,
        UnprocessableEntityError,
        UpstreamError,
        WebhookVerificationError,
    )
    from nexevo_async.headers import Headers
    from nexevo_async.messages import (
        Body,
        Handler,
        Meta,
        Middleware,
        RateLimit,
        Request,
        Response,
        Route,
        TokenUsage,
    )
    from nexevo_async.middleware.limits import SeatUsage
    from nexevo_async.network import TLS
    from nexevo_async.pagination import AsyncPage
    from nexevo_async.streaming import ChatStream
    from nexevo_async.unset import UNSET, UnsetType

__all__ = [
    "TLS",
    "UNSET",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncNexevo",
    "AsyncPage",
    "AuthenticationError",
    "BadRequestError",
    "Body",
    "CallOptions",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "ChatStream",
    "Choice",
    "ChunkChoice",
    "ClientClosedError",
    "CompletionUsage",
    "ConfigurationError",
    "ConflictError",
    "Conversation",
    "DataExport",
    "DecodeError",
    "Delta",
    "Feedback",
    "FeedbackCount",
    "FeedbackSummary",
    "FunctionCall",
    "GeoPolicy",
    "Handler",
    "Headers",
    "InsufficientBalanceError",
    "InternalServerError",
    "Key",
    "KeySource",
    "Limits",
    "MaxPrice",
    "Member",
    "Message",
    "MessageParam",
    "Meta",
    "Middleware",
    "Model",
    "ModelInfo",
    "ModelPricing",
    "NewKey",
    "NewOrganization",
    "NexevoError",
    "NexevoInfo",
    "NotFoundError",
    "Organization",
    "OrganizationRole",
    "PaginationError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "ProviderOptions",
    "QuotaExceededError",
    "RateLimit",
    "RateLimitError",
    "Request",
    "RequestTooLargeError",
    "Response",
    "RetryPolicy",
    "Role",
    "Route",
    "SeatUsage",
    "Session",
    "SpendCapExceededError",
    "StreamError",
    "StreamTruncatedError",
    "Timeouts",
    "TokenUsage",
    "ToolCall",
    "TwoFactorEnabled",
    "TwoFactorSetup",
    "TwoFactorStatus",
    "UnprocessableEntityError",
    "UnsetType",
    "UpstreamError",
    "User",
    "WebhookData",
    "WebhookEvent",
    "WebhookVerificationError",
    "webhooks",
]

_HOMES = {
    "AsyncNexevo": ".client",
    "TLS": ".network",
    "CallOptions": ".config",
    "Limits": ".config",
    "RetryPolicy": ".config",
    "Timeouts": ".config",
    "ChatCompletion": ".contract.chat",
    "ChatCompletionChunk": ".contract.chat",
    "ChatMessage": ".contract.chat",
    "Choice": ".contract.chat",
    "ChunkChoice": ".contract.chat",
    "CompletionUsage": ".contract.chat",
    "Delta": ".contract.chat",
    "FunctionCall": ".contract.chat",
    "MaxPrice": ".contract.chat",
    "MessageParam": ".contract.chat",
    "NexevoInfo": ".contract.chat",
    "ProviderOptions": ".contract.chat",
    "ToolCall": ".contract.chat",
    "Conversation": ".contract.conversations",
    "Message": ".contract.conversations",
    "Role": ".contract.conversations",
    "Feedback": ".contract.feedback",
    "FeedbackCount": ".contract.feedback",
    "FeedbackSummary": ".contract.feedback",
    "Model": ".contract.model",
    "ModelInfo": ".contract.models",
    "ModelPricing": ".contract.models",
    "APIConnectionError": ".errors",
    "APIStatusError": ".errors",
    "APITimeoutError": ".errors",
    "AuthenticationError": ".errors",
    "BadRequestError": ".errors",
    "ClientClosedError": ".errors",
    "ConfigurationError": ".errors",
    "ConflictError": ".errors",
    "DecodeError": ".errors",
    "InsufficientBalanceError": ".errors",
    "InternalServerError": ".errors",
    "NexevoError": ".errors",
    "NotFoundError": ".errors",
    "PaginationError": ".errors",
    "PaymentRequiredError": ".errors",
    "PermissionDeniedError": ".errors",
    "QuotaExceededError": ".errors",
    "RateLimitError": ".errors",
    "RequestTooLargeError": ".errors",
    "SpendCapExceededError": ".errors",
    "StreamError": ".errors",
    "StreamTruncatedError": ".errors",
    "UnprocessableEntityError": ".errors",
    "UpstreamError": ".errors",
    "WebhookVerificationError": ".errors",
    "KeySource": ".api_key",
    "DataExport": ".contract.auth",
    "Session": ".contract.auth",
    "TwoFactorEnabled": ".contract.auth",
    "TwoFactorSetup": ".contract.auth",
    "TwoFactorStatus": ".contract.auth",
    "User": ".contract.auth",
    "GeoPolicy": ".contract.keys",
    "Key": ".contract.keys",
    "NewKey": ".contract.keys",
    "Member": ".contract.organizations",
    "NewOrganization": ".contract.organizations",
    "Organization": ".contract.organizations",
    "OrganizationRole": ".contract.organizations",
    "WebhookData": ".contract.webhooks",
    "WebhookEvent": ".contract.webhooks",
    "Headers": ".headers",
    "Body": ".messages",
    "Handler": ".messages",
    "Meta": ".messages",
    "Middleware": ".messages",
    "RateLimit": ".messages",
    "Request": ".messages",
    "Response": ".messages",
    "Route": ".messages",
    "TokenUsage": ".messages",
    "SeatUsage": ".middleware.limits",
    "AsyncPage": ".pagination",
    "ChatStream": ".streaming",
    "UNSET": ".unset",
    "UnsetType": ".unset",
}


def __getattr__(name: str) -> object:
    # Loaded when first used (PEP 562): `import nexevo_async` costs next to nothing.
    home = _HOMES.get(name)
    if home is None:
        if name == "webhooks":
            return importlib.import_module(".webhooks", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
