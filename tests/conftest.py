from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest
from canary import KEY, pytest_runtest_makereport
from in_thread import InThread

from nexevo_async import AsyncNexevo
from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo

collect_ignore = ["apps", "user_project"]  # programs and tests of users, run by tests of ours

__all__ = ["pytest_runtest_makereport"]  # a hook


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(api_key=KEY) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """The gateway, as it is at its beginning."""
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture(params=["async", "sync"])
async def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[AsyncNexevo]:
    """Each of the two clients: a behaviour is written once, in the words of the async one."""
    if request.param == "async":
        async with AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
            yield client
    else:
        with Nexevo(sandbox.api_key, base_url=sandbox.base_url) as sync_client:
            yield cast("AsyncNexevo", InThread(sync_client))


@pytest.fixture
def sync_client(sandbox: Sandbox) -> Iterator[Nexevo]:
    with Nexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
        yield client
