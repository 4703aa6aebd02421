"""A key that is not there, or cannot be one, is told before anything is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from raw_server import reply, serving

from nexevo_async import AsyncNexevo, ConfigurationError
from nexevo_sync import Nexevo

LIST = reply(b'{"object":"list","data":[]}')
NO_KEYS = [
    ("", "is empty: give a key that begins with sk-xc-"),
    (" \t", "is empty: give a key that begins with sk-xc-"),
    ("Bearer sk-xc-canary", "begins with 'Bearer ': give the key alone"),
    ("bearer sk-xc-canary", "begins with 'Bearer ': give the key alone"),
    ("sk-xc-canary\n", r"has white space around it \(a newline from a file\?\): strip it"),
    (" sk-xc-canary", "has white space around it"),
    ("sk-xc-ca nary", "has a character that no key has"),
    ("sk-xc-ca\u00e9nary", "has a character that no key has"),
]

Call = Callable[[Any], Awaitable[object]]


async def call_async(client: AsyncNexevo) -> object:
    async with client:
        return await client.models.list()


async def call_sync(client: Nexevo) -> object:
    with client:
        return await asyncio.to_thread(client.models.list)


CLIENTS = pytest.mark.parametrize(
    ("client", "call"), [(AsyncNexevo, call_async), (Nexevo, call_sync)], ids=["async", "sync"]
)


@CLIENTS
async def test_a_client_is_made_without_one_and_its_call_says_where_it_looked(
    client: Any, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXEVO_API_KEY", raising=False)
    async with serving(LIST) as server:
        with pytest.raises(ConfigurationError) as caught:
            await call(client(base_url=server.base_url))
        assert str(caught.value) == (
            "No API key: none was given as api_key=, and the environment variable NEXEVO_API_KEY "
            "is not set. Pass api_key= or set the variable."
        )
        assert server.connections == 0


@CLIENTS
async def test_the_variable_is_read_when_the_call_is_made(
    client: Any, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXEVO_API_KEY", raising=False)
    async with serving(LIST) as server:
        made = client(base_url=server.base_url)
        monkeypatch.setenv("NEXEVO_API_KEY", "sk-xc-late")
        await call(made)
        assert [seen.header("authorization") for seen in server.seen] == ["Bearer sk-xc-late"]


@CLIENTS
@pytest.mark.parametrize(("key", "says"), NO_KEYS)
async def test_a_variable_that_holds_no_key_is_told_with_a_hint(
    client: Any, call: Call, monkeypatch: pytest.MonkeyPatch, key: str, says: str
) -> None:
    monkeypatch.setenv("NEXEVO_API_KEY", key)
    async with serving(LIST) as server:
        with pytest.raises(ConfigurationError, match=f"NEXEVO_API_KEY {says}") as caught:
            await call(client(base_url=server.base_url))
        assert server.connections == 0
    assert "canary" not in str(caught.value)


@CLIENTS
@pytest.mark.parametrize(("key", "says"), NO_KEYS)
def test_an_argument_that_is_no_key_is_told_with_a_hint(
    client: Any, call: Call, key: str, says: str
) -> None:
    for make in (client, lambda api_key: client("sk-xc-1").with_options(api_key=api_key)):
        with pytest.raises(ValueError, match=f"api_key {says}") as caught:
            make(api_key=key)
        assert "canary" not in str(caught.value)
