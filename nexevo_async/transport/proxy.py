"""Which proxy a URL goes through, without aiohttp's ``trust_env``, which reads .netrc as well."""

from base64 import b64encode
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import final
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import attrs
from yarl import URL

from nexevo_async.errors import ConfigurationError
from nexevo_async.headers import Headers
from nexevo_async.network import proxy_problem


@final
@attrs.frozen
class Proxy:
    """A proxy, and what it is to be told beside the target."""

    url: URL
    headers: Headers

    @classmethod
    def at(cls, text: str) -> "Proxy":
        """Give the proxy of a URL with or without credentials."""
        url = URL(text)
        if url.raw_user is None:
            return cls(url.origin(), Headers())
        # As they are, and as curl sends them: what they are encoded in is the user's to know.
        parts = (unquote_to_bytes(part or "") for part in (url.raw_user, url.raw_password))
        basic = b64encode(b":".join(parts)).decode()
        return cls(url.origin(), Headers({"Proxy-Authorization": f"Basic {basic}"}))


def proxy_for(base_url: str, explicit: str | None) -> Proxy | None:
    """Give the proxy: the one that was set, or what HTTPS_PROXY and NO_PROXY say; else None.

    Raises:
        ConfigurationError: what the environment names is no proxy's URL.
    """
    if explicit is not None:
        return Proxy.at(explicit)
    url = URL(base_url)
    proxies = getproxies()
    scheme = url.scheme if url.scheme in proxies else "all"
    named = proxies.get(scheme)
    if named is None or _is_bypassed(url, proxies.get("no", "")):
        return None
    if "://" not in named:
        named = f"http://{named}"
    problem = proxy_problem(named)
    if problem is None:
        return Proxy.at(named)
    del named, proxies  # they may hold a password, and tracebacks can show locals
    raise ConfigurationError(
        f"{scheme.upper()}_PROXY {problem}. Or name the gateway's host in NO_PROXY."
    )


def _is_bypassed(url: URL, no_proxy: str) -> bool:
    host, port = url.host or "", url.port
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True  # which is another machine to a proxy
    if proxy_bypass(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        return True
    return address is not None and any(_holds(n, address) for n in no_proxy.split(","))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _holds(network: str, address: IPv4Address | IPv6Address) -> bool:
    """Say whether an entry is a network with the address, such as 10.0.0.0/8."""
    try:
        return address in ip_network(network.strip(), strict=False)
    except ValueError:
        return False
