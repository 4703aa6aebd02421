"""As one writes it with pytest-asyncio's strict mode: loops that live as long as one likes."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support_desk import answer

from nexevo_async import AsyncNexevo
from nexevo_async.testing import Sandbox


@pytest.fixture(params=["once", "again"])
def repeated() -> None:
    """Has each test run twice: the second finds what the first has left."""


pytestmark = pytest.mark.usefixtures("repeated")


@pytest.fixture(scope="session")
def everyones(nexevo_session_sandbox: Sandbox) -> AsyncNexevo:
    """A client for the whole session, whatever loops its tests have; nobody closes it."""
    return AsyncNexevo(nexevo_session_sandbox.api_key, base_url=nexevo_session_sandbox.base_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def modules(nexevo_session_sandbox: Sandbox) -> AsyncIterator[AsyncNexevo]:
    async with AsyncNexevo(
        nexevo_session_sandbox.api_key, base_url=nexevo_session_sandbox.base_url
    ) as client:
        yield client


@pytest.mark.asyncio(loop_scope="function")
async def test_function(async_nexevo_client: AsyncNexevo, everyones: AsyncNexevo) -> None:
    assert await answer(async_nexevo_client, "Hello!") == await answer(everyones, "Hello!")


@pytest.mark.asyncio(loop_scope="class")
class TestClass:
    async def test_class(self, async_nexevo_client: AsyncNexevo, everyones: AsyncNexevo) -> None:
        assert await answer(async_nexevo_client, "Hello!") == await answer(everyones, "Hello!")


@pytest.mark.asyncio(loop_scope="module")
async def test_module(
    async_nexevo_client: AsyncNexevo, everyones: AsyncNexevo, modules: AsyncNexevo
) -> None:
    assert await answer(async_nexevo_client, "Hello!") == await answer(everyones, "Hello!")
    assert await answer(modules, "Hello!")


@pytest.mark.asyncio(loop_scope="package")
async def test_package(async_nexevo_client: AsyncNexevo, everyones: AsyncNexevo) -> None:
    assert await answer(async_nexevo_client, "Hello!") == await answer(everyones, "Hello!")


@pytest.mark.asyncio(loop_scope="session")
async def test_session(async_nexevo_client: AsyncNexevo, everyones: AsyncNexevo) -> None:
    assert await answer(async_nexevo_client, "Hello!") == await answer(everyones, "Hello!")
