"""What aiohttp raises, as an error of ours: the cause as text, the limit by name."""

import ssl
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp

from nexevo_async.errors import APIConnectionError, APITimeoutError, DecodeError, TimeoutLimit
from nexevo_async.messages import Request
from nexevo_async.transport import handshake
from nexevo_async.transport.destination import Destination


def said(error: BaseException) -> str:
    """Give the cause in words; aiohttp's own tell the URL with its query."""
    cause = error if isinstance(error, aiohttp.ClientResponseError) else error.__cause__ or error
    # What went wrong with HTTP itself, aiohttp shows as a status of 400, and over several lines.
    words = str(getattr(cause, "message", "") or cause).split()
    return " ".join(words).removesuffix(".") or type(cause).__name__


def doubt(request: Request) -> None:
    """Note that the gateway may have acted."""
    if request.operation.method != "GET":
        request.progress.outcome_unknown = True


def failure(request: Request, destination: Destination, error: Exception) -> APIConnectionError:
    """Give our error for one of aiohttp's."""
    never_sent = isinstance(
        error,
        (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
        ),
    )
    if not never_sent:
        doubt(request)
    call = f"{request.operation.name} to {destination}"
    tail = f"[{request.summary()}]{request.doubt()}"
    facts: dict[str, Any] = {
        **request.described(),
        "outcome_unknown": request.progress.outcome_unknown,
        "never_sent": never_sent,
    }
    if isinstance(error, (aiohttp.ConnectionTimeoutError, aiohttp.SocketTimeoutError)):
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
        limit: TimeoutLimit = "connect" if connecting else "read"
        what = "could not connect" if connecting else "got no more bytes"
        seconds = getattr(request.settings.timeouts, limit) or 0
        return APITimeoutError(
            f"{call} {what} within {limit}={seconds:g} s. {tail} "
            f"Give it longer with timeouts=Timeouts({limit}=…).",
            limit=limit,
            limit_seconds=seconds,
            **facts,
        )
    cause = _cause(request, destination, error, never_sent=never_sent)
    return APIConnectionError(
        f"{call} {cause.what}. {tail} {cause.advice}", retryable=cause.retryable, **facts
    )


def too_large(request: Request, status: int, limit: int) -> DecodeError:
    """Give the error for an answer that is over the cap on its size."""
    return DecodeError(
        f"{request.operation.name} was answered with {status}, but the body is larger than "
        f"{limit // 2**20} MiB. [{request.summary()}]{request.doubt()} "
        "Ask for less at once, such as with limit=….",
        status=status,
        **request.described(),
    )


class _Cause(NamedTuple):
    what: str
    advice: str
    retryable: bool = False


def _cause(
    request: Request, destination: Destination, error: Exception, *, never_sent: bool
) -> _Cause:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(error.status)
    if destination.trust is not None:
        trust = destination.trust
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            refused = error.certificate_error
            if isinstance(refused, ssl.SSLCertVerificationError):
                server = f"{error.host}:{error.port}"
                return _Cause(*handshake.refused(refused, server, trust.source))
        alert = handshake.alert(trust.context, destination.host, since=request.progress.started)
        if alert is not None or isinstance(error, aiohttp.ClientConnectorSSLError):
            return _Cause(
                f"failed in the TLS handshake: {alert or said(error)}",
                "If the gateway demands a client certificate, name one that it trusts with "
                "tls=TLS(client_cert=…); else check that base_url's port speaks TLS.",
            )
    return _Cause(
        f"{'could not connect' if never_sent else 'lost the connection'}: {said(error)}",
        "Check the network, the proxy settings and base_url.",
        retryable=not isinstance(error, aiohttp.InvalidURL),
    )


def _refused_by_proxy(status: int) -> _Cause:
    what = f"failed: the proxy refused with status {status}"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        advice = "Give http://user:password@host:port as proxy=, or in HTTPS_PROXY."
    else:
        advice = "Ask whoever runs the proxy, or name the gateway's host in NO_PROXY."
    return _Cause(what, advice, retryable=status >= 500)
