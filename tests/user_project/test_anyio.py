"""As one writes it with anyio's plugin."""

import pytest
from support_desk import answer

from nexevo_async import AsyncNexevo

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def test_an_answer(async_nexevo_client: AsyncNexevo) -> None:
    assert await answer(async_nexevo_client, "Hello!")
