"""The chain's order, and how it is built into one callable."""

from collections.abc import Sequence

from nexevo_async.messages import Handler, Middleware
from nexevo_async.middleware.auth import ask_key, auth
from nexevo_async.middleware.deadline import deadline
from nexevo_async.middleware.idempotency import idempotency
from nexevo_async.middleware.telemetry import telemetry


def build(
    *,
    transport: Handler,
    retry: Middleware,
    limits: Middleware,
    middleware: Sequence[Middleware] = (),
    attempt_middleware: Sequence[Middleware] = (),
) -> Handler:
    """Give the handler that sends a request through the whole chain, outermost first."""
    handler = transport
    order = (
        *middleware,
        deadline,
        idempotency,
        retry,
        limits,
        ask_key,
        *attempt_middleware,
        auth,
        telemetry,
    )
    for link in reversed(order):
        handler = _linked(link, handler)
    return handler


def _linked(link: Middleware, call_next: Handler) -> Handler:
    # A link without a wait of its own is a plain function, and this is none of either: each
    # coroutine on the way is resumed with every wake-up of the call.
    return lambda request: link(request, call_next)
