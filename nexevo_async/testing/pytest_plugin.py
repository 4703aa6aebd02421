"""Fixtures for pytest, which finds them by itself where Nexevo is installed.

Pytest loads this in every project whose environment has Nexevo, so that it imports nothing of it
until a fixture is used. The fixtures need no event loop of their own and are plain functions, so
that they go with pytest-asyncio in either mode and any loop scope, and with anyio's plugin.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nexevo_async import AsyncNexevo
    from nexevo_async.testing import Sandbox
    from nexevo_sync import Nexevo


@pytest.fixture(scope="session")
def nexevo_session_sandbox() -> "Iterator[Sandbox]":
    """The gateway of the whole session, for fixtures that live longer than a test.

    Its address and its owner's key stay; all else goes when the next test takes `nexevo_sandbox`.
    """
    from nexevo_async.testing import Sandbox  # noqa: PLC0415 - see above

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def nexevo_sandbox(nexevo_session_sandbox: "Sandbox", monkeypatch: pytest.MonkeyPatch) -> "Sandbox":
    """A Nexevo gateway for this test alone: without state, faults, mails or requests of another.

    While the test runs, NEXEVO_BASE_URL and NEXEVO_API_KEY lead there too: a client that the
    tested code makes by itself never reaches the real gateway.
    """
    nexevo_session_sandbox.reset()
    monkeypatch.setenv("NEXEVO_BASE_URL", nexevo_session_sandbox.base_url)
    monkeypatch.setenv("NEXEVO_API_KEY", nexevo_session_sandbox.api_key)
    return nexevo_session_sandbox


@pytest.fixture
def nexevo_client(nexevo_sandbox: "Sandbox") -> "Iterator[Nexevo]":
    """A sync client of the test's gateway."""
    from nexevo_sync import Nexevo  # noqa: PLC0415 - see above

    with Nexevo(nexevo_sandbox.api_key, base_url=nexevo_sandbox.base_url) as client:
        yield client


@pytest.fixture
def async_nexevo_client(nexevo_sandbox: "Sandbox") -> "Iterator[AsyncNexevo]":
    """An async client of the test's gateway."""
    from nexevo_async import AsyncNexevo  # noqa: PLC0415 - see above

    client = AsyncNexevo(nexevo_sandbox.api_key, base_url=nexevo_sandbox.base_url)
    yield client
    # Where no loop runs this waits for nothing: each loop, if it lives on, closes what is its own.
    closing = client.aclose()
    with contextlib.suppress(StopIteration):
        closing.send(None)
    closing.close()
