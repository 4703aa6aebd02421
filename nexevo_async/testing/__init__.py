"""What a test of one's own needs: the gateway, on this machine."""

from nexevo_async.sandbox.log import RequestEntry
from nexevo_async.sandbox.router import ModelStanding
from nexevo_async.testing.sandbox import Sandbox, SandboxFaults
from nexevo_async.testing.webhooks import sign_webhook

__all__ = ["ModelStanding", "RequestEntry", "Sandbox", "SandboxFaults", "sign_webhook"]
