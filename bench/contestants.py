"""The clients that are compared, each at the same task, as a normal user would write it."""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
import httpx
import msgspec
import openai
import requests
from yarl import URL

from bench.server import CHUNKS
from nexevo_async import AsyncNexevo
from nexevo_sync import Nexevo

KEY: Final = "sk-xc-benchmark"
MODEL: Final = "nexevo/balanced"
MESSAGES: Final[Any] = [{"role": "user", "content": "Hello!"}]

_IDS: Final = itertools.cycle([f"conv_AbCdEfGhIjKlMnOpQrSt{i:04}" for i in range(10_000)])
"""Each request asks for another conversation: caches of whole URLs don't help in real life."""

AsyncTask = Callable[[], Awaitable[None]]
SyncTask = Callable[[], None]

_CHAT: Final = "/chat/completions"
_AUTHORIZATION: Final = {"Authorization": f"Bearer {KEY}"}
_JSON: Final = {"Content-Type": "application/json"}


@asynccontextmanager
async def async_tasks(base_url: str) -> AsyncGenerator[dict[str, dict[str, AsyncTask]]]:
    """Give the tasks of the asyncio clients by what they do and by client, the baseline first."""
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(aiohttp.ClientSession(headers=_AUTHORIZATION))
        tuned = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                headers=_AUTHORIZATION,
            )
        )
        crowded = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=_AUTHORIZATION)
        )
        ours = await stack.enter_async_context(AsyncNexevo(KEY, base_url=base_url))
        openais = await stack.enter_async_context(
            openai.AsyncOpenAI(api_key=KEY, base_url=base_url)
        )
        conversations_url = URL(base_url + "/conversations")
        chat_url = URL(base_url + _CHAT)

        async def plain_get() -> None:
            async with plain.request("GET", f"{base_url}/conversations/{next(_IDS)}") as response:
                response.raise_for_status()
                msgspec.json.decode(await response.read())

        async def tuned_get() -> None:
            async with tuned.request(
                "GET", conversations_url / next(_IDS), allow_redirects=False
            ) as response:
                msgspec.json.decode(await response.read())

        async def our_get() -> None:
            await ours.conversations.get(next(_IDS))

        async def chat_on(session: aiohttp.ClientSession) -> None:
            body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
            async with session.request(
                "POST", f"{base_url}{_CHAT}", data=body, headers=_JSON
            ) as response:
                response.raise_for_status()
                msgspec.json.decode(await response.read())

        async def plain_chat() -> None:
            await chat_on(plain)

        async def crowded_chat() -> None:
            await chat_on(crowded)

        async def tuned_chat() -> None:
            body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
            async with tuned.request(
                "POST", chat_url, data=body, headers=_JSON, allow_redirects=False
            ) as response:
                msgspec.json.decode(await response.read())

        async def our_chat() -> None:
            await ours.chat.completions.create(model=MODEL, messages=MESSAGES)

        async def openai_chat() -> None:
            await openais.chat.completions.create(model=MODEL, messages=MESSAGES)

        async def our_stream() -> None:
            chunks = 0
            async with await ours.chat.completions.create(
                model=MODEL, messages=MESSAGES, stream=True
            ) as stream:
                async for chunk in stream:
                    chunks += bool(chunk.text)
            assert chunks == CHUNKS

        async def openai_stream() -> None:
            chunks = 0
            async with await openais.chat.completions.create(
                model=MODEL, messages=MESSAGES, stream=True
            ) as stream:
                async for chunk in stream:
                    chunks += bool(chunk.choices and chunk.choices[0].delta.content)
            assert chunks == CHUNKS

        yield {
            "GET": {"aiohttp": plain_get, "aiohttp, tuned": tuned_get, "AsyncNexevo": our_get},
            "chat": {
                "aiohttp": plain_chat,
                "aiohttp, tuned": tuned_chat,
                "AsyncNexevo": our_chat,
                "AsyncOpenAI": openai_chat,
            },
            "crowd": {"aiohttp, limit=0": crowded_chat, "AsyncNexevo": our_chat},
            "stream": {"AsyncNexevo": our_stream, "AsyncOpenAI": openai_stream},
        }


@contextmanager
def sync_tasks(base_url: str) -> Generator[dict[str, dict[str, SyncTask]]]:
    """Give the tasks of the blocking clients by what they do and by client."""
    with ExitStack() as stack:
        plain = stack.enter_context(httpx.Client(headers=_AUTHORIZATION))
        pool = stack.enter_context(requests.Session())
        pool.headers.update(_AUTHORIZATION)
        pool.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))
        ours = stack.enter_context(Nexevo(KEY, base_url=base_url))
        openais = stack.enter_context(openai.OpenAI(api_key=KEY, base_url=base_url))

        def plain_get() -> None:
            response = plain.get(f"{base_url}/conversations/{next(_IDS)}")
            response.raise_for_status()
            msgspec.json.decode(response.content)

        def requests_get() -> None:
            response = pool.get(f"{base_url}/conversations/{next(_IDS)}")
            response.raise_for_status()
            msgspec.json.decode(response.content)

        def our_get() -> None:
            ours.conversations.get(next(_IDS))

        def plain_chat() -> None:
            body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
            response = plain.post(f"{base_url}{_CHAT}", content=body, headers=_JSON)
            response.raise_for_status()
            msgspec.json.decode(response.content)

        def requests_chat() -> None:
            body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
            response = pool.post(f"{base_url}{_CHAT}", data=body, headers=_JSON)
            response.raise_for_status()
            msgspec.json.decode(response.content)

        def our_chat() -> None:
            ours.chat.completions.create(model=MODEL, messages=MESSAGES)

        def openai_chat() -> None:
            openais.chat.completions.create(model=MODEL, messages=MESSAGES)

        def our_stream() -> None:
            chunks = 0
            with ours.chat.completions.create(
                model=MODEL, messages=MESSAGES, stream=True
            ) as stream:
                for chunk in stream:
                    chunks += bool(chunk.text)
            assert chunks == CHUNKS

        def openai_stream() -> None:
            chunks = 0
            with openais.chat.completions.create(
                model=MODEL, messages=MESSAGES, stream=True
            ) as stream:
                for chunk in stream:
                    chunks += bool(chunk.choices and chunk.choices[0].delta.content)
            assert chunks == CHUNKS

        yield {
            "GET": {"httpx": plain_get, "requests": requests_get, "Nexevo": our_get},
            "chat": {
                "httpx": plain_chat,
                "requests": requests_chat,
                "Nexevo": our_chat,
                "OpenAI": openai_chat,
            },
            "stream": {"Nexevo": our_stream, "OpenAI": openai_stream},
        }
