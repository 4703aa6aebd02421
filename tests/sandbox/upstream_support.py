"""What the tests of the upstream share: what is behind a sandbox, and what it answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from raw_server import Answer, RawServer, serving
from sandbox_support import Api, api_of

from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.testing import Sandbox

KEY = "sk-canary-of-the-upstream"
CREATE = "chat.completions.create"
HELLO: Any = [{"role": "user", "content": "Hello!"}]
DONE = b"data: [DONE]\n\n"


class Pair(NamedTuple):
    """A sandbox, and the one behind it."""

    sandbox: Sandbox
    behind: Sandbox

    @property
    def asked(self) -> list[str | None]:
        return [request.operation for request in self.behind.requests]


@asynccontextmanager
async def before(*answers: Answer) -> AsyncIterator[tuple[Sandbox, Api, RawServer]]:
    """Put a sandbox before a server that answers just these."""
    async with serving(*answers) as server:
        with Sandbox(upstream=server.base_url, upstream_key=KEY) as sandbox:
            async with api_of(sandbox) as api:
                yield sandbox, api, server


def event(**members: Any) -> bytes:
    return b"data: " + msgspec.json.encode(members) + b"\n\n"


def chunk(text: str | None = None, **members: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    return event(choices=[{"index": 0, "delta": delta, **members}])


def text_of(chunks: list[Any]) -> str:
    return "".join(c["delta"].get("content", "") for chunk in chunks for c in chunk["choices"])


async def output_tokens(gateway: Gateway) -> list[int]:
    query = "SELECT output_tokens FROM generations ORDER BY rowid"
    return await gateway.store.run(lambda db: [tokens for (tokens,) in db.execute(query)])
