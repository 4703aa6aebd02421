from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

from nexevo_async import AsyncNexevo

BASE = "https://api.nexevo.ai/v1"


class _Response(ClientResponse):
    """What aioresponses makes, with the writer that aiohttp asks for since 3.14."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


@attrs.frozen
class Sent:
    """A request as it went out."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


@attrs.frozen
class Wire:
    """Answers every request, and remembers what was sent."""

    mocked: aioresponses

    def answer(self, method: str, path: str, **answer: Any) -> None:
        self.mocked.add(f"{BASE}{path}", method, response_class=_Response, **answer)

    @property
    def sent(self) -> list[Sent]:
        return [
            Sent(
                method,
                str(url),
                {name.lower(): value for name, value in call.kwargs["headers"]},
                call.kwargs["data"],
            )
            for (method, url), calls in self.mocked.requests.items()
            for call in calls
        ]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with aioresponses() as mocked:
        yield Wire(mocked)


@pytest.fixture
async def client() -> Any:
    async with AsyncNexevo("sk-xc-golden", base_url=BASE, max_retries=0) as made:
        yield made
