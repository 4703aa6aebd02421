import sys

import msgspec

from nexevo_async.sandbox.openapi import document


def openapi() -> None:
    """Print the OpenAPI 3.1 document of the gateway's calls, as JSON."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n")
