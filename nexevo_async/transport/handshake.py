"""What a failed TLS handshake tells, where asyncio, uvloop or aiohttp would lose it."""

import ssl
import time
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ISSUER_LENGTH: Final = 200


class Watched(ssl.SSLObject):
    """A TLS connection that remembers why it was not made."""

    alert: ClassVar[tuple[float, str, str] | None] = None
    """The last that a server sent: when, which server, and what."""

    def do_handshake(self) -> None:
        """Do as ever, and note whose certificate was refused."""
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            error.add_note(_issuer(self))
            raise

    def read(self, len: int = 1024, buffer: "WriteableBuffer | None" = None) -> bytes:
        """Do as ever, and note when the server refused the client's certificate.

        Under TLS 1.3 that comes only when the handshake is over.
        """
        try:
            return super().read(len, buffer)
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            if "ALERT" in (error.reason or ""):
                said = str(error.reason).partition("ALERT_")[2].replace("_", " ").lower()
                type(self).alert = (time.monotonic(), str(self.server_hostname), said)
            raise


def watch(context: ssl.SSLContext) -> None:
    """Have a context's connections watched, unless it has a class of its own for them."""
    if context.sslobject_class is ssl.SSLObject:
        context.sslobject_class = type("Watched", (Watched,), {})


def alert(context: ssl.SSLContext, host: str, *, since: float) -> str | None:
    """Give what a server said when it refused a connection, if it did since then."""
    watched = context.sslobject_class
    last = watched.alert if issubclass(watched, Watched) else None
    return last[2] if last is not None and last[0] >= since and last[1] == host else None


_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21, 27})
_WRONG_NAME: Final = frozenset({62, 64})
_WRONG_TIME: Final = frozenset({9, 10})
"""OpenSSL's X509_V_ERR_ numbers, which `ssl` has no names for."""


def refused(error: ssl.SSLCertVerificationError, server: str, source: str) -> tuple[str, str]:
    """Say what is wrong with a server's certificate, and what to do about it."""
    issuer = "".join(getattr(error, "__notes__", []))
    by = f", issued by {issuer}," if issuer else ""
    problem = error.verify_message.rstrip(".")
    what = f"failed: the certificate of {server}{by} was refused: {problem}"
    if error.verify_code in _UNTRUSTED:
        what += f"; trust comes from {source}"
        advice = (
            "Behind a company's TLS inspection, name its authority with tls=TLS(ca_file=…) or "
            "SSL_CERT_FILE."
        )
    elif error.verify_code in _WRONG_NAME:
        advice = "Check base_url: whoever answers there goes by another name."
    elif error.verify_code in _WRONG_TIME:
        advice = "Check this machine's clock; if it is right, the server has to renew it."
    else:
        advice = (
            "From 3.13 on, Python holds certificates to RFC 5280 strictly; if the authority "
            "cannot do better, clear ssl.VERIFY_X509_STRICT in a context of your own: "
            "tls=TLS(context=…)."
        )
    return what, advice


def _issuer(connection: ssl.SSLObject) -> str:
    """Give the name of the authority that a refused certificate would need; empty if unknown."""
    try:
        # Python has no public name for it but from 3.13 on, and there without the names.
        chain = getattr(connection, "_sslobj", None).get_unverified_chain()  # type: ignore[union-attr]
        names = [value for part in chain[-1].get_info()["issuer"] for _, value in part]
    except Exception:  # noqa: BLE001 - the certificate's own error is the one to tell
        return ""
    return repr(", ".join(names)[:_ISSUER_LENGTH])
