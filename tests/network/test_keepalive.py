"""A connection that a NAT on the way has forgotten is noticed."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from network_support import KEY, KINDS, Authority
from raw_server import serving

from nexevo_async import TLS, AsyncNexevo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds sockets in /proc")


def of_port(port: int) -> list[socket.socket]:
    """Give copies of this process's sockets that lead to a port."""
    found: list[socket.socket] = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        try:
            leads_there = copy.getpeername()[1] == port
        except (OSError, IndexError):
            leads_there = False
        if leads_there:
            found.append(copy)
        else:
            copy.close()
    return found


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_kernel_probes_a_silent_connection(
    authority: Authority, scheme: str, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def main() -> None:
        tls = authority.server() if scheme == "https" else None
        async with serving(KINDS[0].answer, tls=tls) as server:
            trust = TLS(ca_file=authority.file)
            async with AsyncNexevo(KEY, base_url=server.base_url, tls=trust) as client:
                await client.models.list()
                (ours,) = of_port(server.port)
                with ours:
                    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                    assert [
                        ours.getsockopt(socket.IPPROTO_TCP, option)
                        for option in (
                            socket.TCP_KEEPIDLE,
                            socket.TCP_KEEPINTVL,
                            socket.TCP_KEEPCNT,
                            socket.TCP_NODELAY,
                        )
                    ] == [60, 30, 5, 1]

    run(main())
