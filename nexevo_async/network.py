"""How the gateway is reached: whom to trust, and through which proxy."""

import os
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import attrs


@attrs.frozen(kw_only=True)
class TLS:
    """Where trust comes from when it is not the system's own store.

    The files are read by the first ``https://`` call, not here; one that cannot be used is a
    `ConfigurationError` that names it, before anything is sent.

    Attributes:
        ca_file: Path of a PEM bundle of certificate authorities to trust instead.
        client_cert: Path of a PEM certificate (chain) to show to the gateway.
        client_key: Path of its key, not encrypted, where ``client_cert`` does not hold it too.
        context: A function that makes a context of your own, for all else that ``ssl`` can do. It
            is called once a process, in a worker thread. It stands alone.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: ``client_key`` has no ``client_cert``, or ``context`` does not stand alone.

    Example:
        >>> from nexevo_async import TLS
        >>> TLS(ca_file="corporate-ca.pem").ca_file
        'corporate-ca.pem'
    """

    ca_file: str | os.PathLike[str] | None = None
    client_cert: str | os.PathLike[str] | None = None
    client_key: str | os.PathLike[str] | None = None
    context: Callable[[], ssl.SSLContext] | None = None

    def __attrs_post_init__(self) -> None:
        files = {n: getattr(self, n) for n in ("ca_file", "client_cert", "client_key")}
        for name, path in files.items():
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"{name} must be the path of a file, not {type(path).__name__}")
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key needs client_cert, the certificate that it belongs to")
        if self.context is None:
            return
        if not callable(self.context):
            wrong = type(self.context).__name__
            raise TypeError(f"context must be a function that makes an SSLContext, not {wrong}")
        if set(files.values()) != {None}:
            raise ValueError("context stands alone: have the function load the files as well")


def checked_proxy(value: object) -> str | None:
    """Give the proxy's URL, or say what is wrong with it without showing it."""
    if value is None:
        return None
    if not isinstance(value, str):
        wrong = type(value).__name__
        del value  # it may hold a password, and tracebacks can show locals
        raise TypeError(f"proxy must be a string such as http://proxy.example:3128, not {wrong}")
    problem = proxy_problem(value)
    if problem is None:
        return value
    del value
    raise ValueError(f"proxy {problem}")


def proxy_problem(url: str) -> str | None:
    """Say what keeps a text from being a proxy's URL; None where it can be one."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower().startswith("socks"):
        return "names a SOCKS proxy, which is not supported: name an HTTP proxy"
    if not separator or scheme.lower() not in {"http", "https"}:
        return "must begin with http:// or https://, such as http://proxy.example:3128"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and " " not in url
    if not usable or not plain or any(c in rest.rstrip("/") for c in "/?#\\"):
        return (
            "must be scheme, host and port, such as http://user:password@proxy.example:3128; in "
            "user and password percent-encode every character but letters, digits and - . _ ~"
        )
    return None
