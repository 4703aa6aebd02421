"""What a test of one's own needs: the gateway on this machine, made-up answers, and no network."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexevo_async.sandbox.log import RequestEntry
    from nexevo_async.sandbox.router import ModelStanding
    from nexevo_async.testing.factories import make
    from nexevo_async.testing.fake import FakeTransport, refusal
    from nexevo_async.testing.sandbox import Sandbox, SandboxFaults
    from nexevo_async.testing.webhooks import sign_webhook

__all__ = [
    "FakeTransport",
    "ModelStanding",
    "RequestEntry",
    "Sandbox",
    "SandboxFaults",
    "make",
    "refusal",
    "sign_webhook",
]

_HOMES = {
    "FakeTransport": "nexevo_async.testing.fake",
    "ModelStanding": "nexevo_async.sandbox.router",
    "RequestEntry": "nexevo_async.sandbox.log",
    "Sandbox": "nexevo_async.testing.sandbox",
    "SandboxFaults": "nexevo_async.testing.sandbox",
    "make": "nexevo_async.testing.factories",
    "refusal": "nexevo_async.testing.fake",
    "sign_webhook": "nexevo_async.testing.webhooks",
}


def __getattr__(name: str) -> object:
    # Loaded when first used (PEP 562): pytest loads the plugin beside this for whoever has Nexevo.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
