"""Which proxy a URL goes through, without aiohttp's ``trust_env``, which reads .netrc as well."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str, explicit: str | None) -> str | None:
    """Give the proxy: the one that was set, or what HTTPS_PROXY and NO_PROXY say; else None."""
    if explicit is not None:
        return explicit
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    proxy = getproxies().get(parts.scheme)
    if proxy is None or "://" in proxy:
        return proxy
    return f"http://{proxy}"
