"""A headless Chromium, driven by its DevTools protocol."""

import asyncio
import contextlib
import itertools
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class CommandError(Exception):
    """The browser answered a command with an error."""


class Tab:
    """A page in the browser."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}

    async def command(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json(
            {"id": number, "method": method, "params": params, **self._session}
        )
        while True:
            said = await self._socket.receive_json(timeout=30)
            if said.get("id") == number:
                if "error" in said:
                    raise CommandError(method, said["error"])
                return said["result"]

    async def open(self, url: str) -> None:
        target = await self.command("Target.createTarget", url="about:blank")
        attached = await self.command(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = {"sessionId": attached["sessionId"]}
        await self.command("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        result = await self.command("Runtime.evaluate", expression=script)
        return result["result"].get("value")

    async def until(self, script: str) -> Any:
        """What a script gives once that is true, on this page or the one it leads to."""
        async with asyncio.timeout(30):
            while True:
                # A page that is left while the script is under way takes the answer with it.
                with contextlib.suppress(CommandError):
                    if value := await self.value(script):
                        return value
                await asyncio.sleep(0.05)

    async def click(self, selector: str) -> None:
        """Press and let go of the mouse in the middle of an element."""
        found = f"document.querySelector({selector!r})?.getBoundingClientRect()"
        await self.until(f"({found})?.width")
        place = {
            axis: await self.value(f"({found}).{axis} + ({found}).{size} / 2")
            for axis, size in (("x", "width"), ("y", "height"))
        }
        for kind in ("mousePressed", "mouseReleased"):
            await self.command(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
            )


@contextlib.asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while not (found := re.search(rb"(ws://\S+)", await process.stderr.readline())):
                assert process.returncode is None
        async with ClientSession() as session:
            async with session.ws_connect(found[1].decode(), max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
