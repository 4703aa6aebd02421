import functools
import socket
from typing import Final, final

from aiohttp.abc import AbstractResolver, ResolveResult

from nexevo_async.worker import in_thread

_NUMERIC: Final = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


@final
class Resolver(AbstractResolver):
    """Looks names up in threads that keep no program from ending."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of a host."""
        return await in_thread(functools.partial(_look_up, host, port, family))

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=socket.getnameinfo(address, _NUMERIC)[0],  # with the zone of a local address
            port=port,
            family=found,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for found, _, proto, _, address in socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    ]
