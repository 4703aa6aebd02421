"""How a service calls: an operation and its arguments to a request, and through the chain."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, final
from urllib.parse import urlencode

import attrs

from nexevo_async.codec import answers, json
from nexevo_async.codec.answers import Amend
from nexevo_async.config import (
    CALL_OPTIONS,
    CallKind,
    CallOptions,
    CallSettings,
    ClientConfig,
    checked_headers,
    checked_max_retries,
    checked_timeouts,
)
from nexevo_async.contract import checks
from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.headers import Headers
from nexevo_async.messages import Body, Handler, Request, Route
from nexevo_async.pagination import AsyncPage
from nexevo_async.unset import UNSET
from nexevo_async.version import VERSION

M = TypeVar("M", bound=Model)

_COMMON: Final = {"User-Agent": f"nexevo-python/{VERSION}"}
_ANSWER: Final = {"Accept": "application/json"}
_EVENTS: Final = {"Accept": "text/event-stream"}
_JSON: Final = {"Content-Type": "application/json"}


def query_string(parameters: Mapping[str, Any]) -> str:
    """Give the encoded query of the parameters that are given."""
    given = {k: v for k, v in parameters.items() if v is not UNSET and v is not None}
    if not given:
        return ""
    return urlencode({k: str(v).lower() if isinstance(v, bool) else v for k, v in given.items()})


def body(members: Mapping[str, Any], options: CallOptions) -> Body:
    """Give the JSON body of the members that are given, and of ``extra_body``."""
    try:
        return json.encode(members, options.get("extra_body"))
    finally:
        del members, options  # they may be secret, and tracebacks can show locals


@final
class Caller:
    """Sends the calls of one client, or of one view of it."""

    def __init__(self, config: ClientConfig, handler: Handler) -> None:
        self.config: Final = config
        self.send: Final = handler
        # Filled when first needed, so that a view for one call costs next to nothing.
        self._settings: Final[dict[CallKind, CallSettings]] = {}
        self._headers: Final[dict[tuple[bool, bool], Headers]] = {}

    def _settings_for(self, kind: CallKind) -> CallSettings:
        settings = self._settings[kind] = CallSettings(
            client=self.config,
            timeouts=self.config.timeouts.effective(kind),
            max_retries=self.config.max_retries,
        )
        return settings

    def _headers_for(self, *, stream: bool, has_body: bool) -> Headers:
        own = {**_COMMON, **(_EVENTS if stream else _ANSWER), **(_JSON if has_body else {})}
        headers = self._headers[stream, has_body] = Headers(own).with_(self.config.headers)
        return headers

    def request(
        self,
        operation: Route,
        path: str,
        *,
        query: str = "",
        body: Body | None = None,
        stream: bool = False,
        options: CallOptions,
    ) -> Request:
        """Give the request of a call, to be sent through the chain."""
        kind: CallKind = (
            "stream" if stream else "generation" if operation.resend == "generation" else "plain"
        )
        request = Request(
            operation=operation,
            path=path,
            query=query,
            headers=self._headers.get((stream, body is not None))
            or self._headers_for(stream=stream, has_body=body is not None),
            body=body,
            stream=stream,
            settings=self._settings.get(kind) or self._settings_for(kind),
        )
        return _with_options(request, options, kind) if options else request

    async def one(
        self,
        operation: Operation[M],
        path: str,
        *,
        query: str = "",
        body: Body | None = None,
        options: CallOptions,
        amend: Amend | None = None,
    ) -> M:
        """Send a call, and give the model that its answer holds."""
        request = self.request(operation, path, query=query, body=body, options=options)
        return answers.one(operation, request, await self.send(request), amend)

    async def page(
        self, operation: Operation[M], path: str, *, query: Mapping[str, Any], options: CallOptions
    ) -> AsyncPage[M]:
        """Send a call, and give the page that its answer holds."""

        async def fetch(cursor: str | None) -> answers.PageContent[M]:
            given = query if cursor is None else {**query, "cursor": cursor}
            request = self.request(operation, path, query=query_string(given), options=options)
            return answers.page(operation, request, await self.send(request))

        return AsyncPage(await fetch(None), fetch, operation.name)

    async def nothing(
        self,
        operation: Operation[None],
        path: str,
        *,
        body: Body | None = None,
        options: CallOptions,
    ) -> None:
        """Send a call whose answer is empty."""
        request = self.request(operation, path, body=body, options=options)
        answers.check(request, await self.send(request))


def _with_options(request: Request, options: CallOptions, kind: CallKind) -> Request:
    for name in options:
        if name not in CALL_OPTIONS:
            raise TypeError(
                f"{request.operation.name} has no argument {name!r}; beside its own it takes "
                f"{', '.join(sorted(CALL_OPTIONS))}"
            )
    settings: dict[str, Any] = {}
    if "timeouts" in options:
        timeouts = checked_timeouts(options["timeouts"]).over(request.settings.client.timeouts)
        settings["timeouts"] = timeouts.effective(kind)
    if "max_retries" in options:
        settings["max_retries"] = checked_max_retries(options["max_retries"])
    if "idempotent" in options:
        settings["idempotent"] = checks.boolean("idempotent", options["idempotent"])
    if "idempotency_key" in options:
        settings["idempotency_key"] = checks.idempotency_key(
            "idempotency_key", options["idempotency_key"]
        )
    changes: dict[str, Any] = {"settings": attrs.evolve(request.settings, **settings)}
    if "extra_headers" in options:
        changes["headers"] = request.headers.with_(
            checked_headers("extra_headers", options["extra_headers"])
        )
    if "extra_query" in options:
        extra = query_string(options["extra_query"])
        changes["query"] = f"{request.query}&{extra}" if request.query else extra
    if "extra_body" in options and request.body is None:
        raise ValueError(f"{request.operation.name} sends no body: extra_body has no place in it")
    return request.replace(**changes)
