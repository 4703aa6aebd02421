from functools import cached_property
from typing import Any, final
from urllib.parse import urlsplit

import attrs

from nexevo_async.config import ClientConfig
from nexevo_async.transport import tls
from nexevo_async.transport.proxy import Proxy, proxy_for


@final
@attrs.frozen
class Destination:
    """How a base URL is reached: trusting whom, and through which proxy."""

    base_url: str
    trust: tls.Trust | None
    proxy: Proxy | None

    @cached_property
    def options(self) -> dict[str, Any]:
        """What aiohttp is told of it with each request."""
        options: dict[str, Any] = {}
        if self.trust is not None:
            options["ssl"] = self.trust.context
        if self.proxy is not None:
            options["proxy"] = self.proxy.url
            options["proxy_headers"] = self.proxy.headers
        return options

    @cached_property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What a request carries for the proxy, where that sees the request itself."""
        if self.proxy is None or self.base_url.startswith("https:"):
            return ()
        return self.proxy.headers.pairs

    @property
    def host(self) -> str:
        """The gateway's name, as TLS knows it."""
        return urlsplit(self.base_url).hostname or ""

    def __str__(self) -> str:
        via = "" if self.proxy is None else f" through the proxy {self.proxy.url}"
        return self.base_url + via


def destination_of(base_url: str, config: ClientConfig) -> Destination:
    """Find out how a base URL is reached; this takes its time, and needs no loop.

    Raises:
        ConfigurationError: a file, or a proxy of the environment, cannot be used.
    """
    proxy = proxy_for(base_url, config.proxy)
    secure = base_url.startswith("https:") or (proxy is not None and proxy.url.scheme == "https")
    return Destination(base_url, tls.trust(config.tls) if secure else None, proxy)
