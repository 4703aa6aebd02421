"""The TLS contexts of this process: one a setting, made off the event loop."""

import os
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn, final

import attrs

from nexevo_async.errors import ConfigurationError
from nexevo_async.network import TLS
from nexevo_async.transport import handshake

_KEPT: Final = 32


@final
@attrs.frozen(eq=False)
class Trust:
    """A TLS context, and in words where its trust comes from."""

    context: ssl.SSLContext
    source: str


_lock = threading.Lock()
_made: Final[dict[object, tuple[object, Trust]]] = {}


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held for ever
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def trust(tls: TLS | None) -> Trust:
    """Give the one context of this process for a setting; making it takes about 30 ms.

    It is made anew when the environment or one of its files has changed.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    variables = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
    setting = (tls, *variables)
    files = [tls.ca_file, tls.client_cert, tls.client_key] if tls else []
    stamps = [_stamp(path) for path in (*files, variables[0])]
    with _lock:
        known = _made.get(setting)
        if known is None or known[0] != stamps:
            known = _made[setting] = (stamps, _trust(tls))
            if len(_made) > _KEPT:
                del _made[next(iter(_made))]
    return known[1]


def _stamp(path: str | os.PathLike[str] | None) -> object:
    try:
        found = Path(path).stat() if path else None
    except OSError:
        return None
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)


def _trust(tls: TLS | None) -> Trust:
    if tls is not None and tls.context is not None:
        made, source = _own(tls.context), "the function of tls=TLS(context=…)"
    elif tls is not None and tls.ca_file is not None:
        made, source = _authorities(tls.ca_file), f"tls=TLS(ca_file={os.fspath(tls.ca_file)!r})"
    else:
        made, source = ssl.create_default_context(), _system()
    if tls is not None and tls.client_cert is not None:
        _show(made, tls.client_cert, tls.client_key)
    handshake.watch(made)
    return Trust(made, source)


def _own(make: Callable[[], object]) -> ssl.SSLContext:
    made = make()
    if not isinstance(made, ssl.SSLContext):
        raise ConfigurationError(
            f"The function of tls=TLS(context=…) gave {type(made).__name__}, not an SSLContext."
        )
    if made.verify_mode is not ssl.CERT_REQUIRED:
        raise ConfigurationError(
            "The function of tls=TLS(context=…) gave a context that does not verify certificates: "
            "anybody on the way could read the API key. Name the gateway's authority with "
            "load_verify_locations(…) instead; of a self-signed certificate, that is itself."
        )
    return made


def _authorities(ca_file: str | os.PathLike[str]) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        problem = "is no PEM bundle of certificate authorities"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise ConfigurationError(f"tls=TLS(ca_file=…): {Path(ca_file).absolute()} {problem}.")


def _show(
    context: ssl.SSLContext,
    cert: str | os.PathLike[str],
    key: str | os.PathLike[str] | None,
) -> None:
    """Have the context show a client certificate."""
    try:
        context.load_cert_chain(cert, key, password=_encrypted)
        return
    except _EncryptedError:
        problem = (
            "the key is encrypted. Decrypt it, or load it yourself, with its password, in the "
            "function of tls=TLS(context=…)"
        )
    except ssl.SSLError as error:
        problem = "not a certificate and its key, in PEM form"
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = "the key belongs to another certificate"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    files = " and ".join(str(Path(path).absolute()) for path in (cert, key) if path is not None)
    raise ConfigurationError(f"tls=TLS(client_cert=…, client_key=…): {files}: {problem}.")


class _EncryptedError(Exception):
    """A key wants a password, which OpenSSL would ask for on the terminal."""


def _encrypted() -> NoReturn:
    raise _EncryptedError


def _system() -> str:
    """Say where OpenSSL looks for authorities when it is told nothing."""
    paths = ssl.get_default_verify_paths()
    found = ["the Windows certificate store"] if sys.platform == "win32" else []
    for variable, default in (
        (paths.openssl_cafile_env, paths.openssl_cafile),
        (paths.openssl_capath_env, paths.openssl_capath),
    ):
        value = os.environ.get(variable)
        if value is not None:
            there = any(Path(path).exists() for path in value.split(os.pathsep))
            found.append(f"{variable}={value}" + ("" if there else " (which does not exist)"))
        elif Path(default).exists():
            found.append(default)
    return " and ".join(found) or "nowhere: OpenSSL finds no store of the system's"
