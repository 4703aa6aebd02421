from collections.abc import AsyncIterator, Iterator

import pytest
from canary import KEY
from sandbox_support import Api, api_of

from nexevo_async.sandbox import passwords
from nexevo_async.testing import Sandbox


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(api_key=KEY) as sandbox:
        yield sandbox


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch):
    """Have new passwords hashed in no time."""
    monkeypatch.setitem(passwords._COST, "n", 2)


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with api_of(sandbox) as api:
        yield api
