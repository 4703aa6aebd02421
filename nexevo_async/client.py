from collections.abc import Iterable, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, final

import attrs

from nexevo_async.api_key import KeySource
from nexevo_async.codec import answers
from nexevo_async.config import (
    CallOptions,
    ClientConfig,
    Limits,
    RetryPolicy,
    Timeouts,
    checked_base_url,
    checked_headers,
    checked_key_source,
    checked_max_retries,
    checked_path,
    checked_timeouts,
    instance,
)
from nexevo_async.contract import checks
from nexevo_async.headers import Headers
from nexevo_async.messages import Handler, Middleware, Response, Route
from nexevo_async.middleware import chain
from nexevo_async.middleware.limits import Limits as LimitsMiddleware
from nexevo_async.middleware.limits import SeatUsage
from nexevo_async.middleware.retry import Retry
from nexevo_async.network import TLS, checked_proxy
from nexevo_async.services.caller import Caller, body, query_string
from nexevo_async.transport.transport import Transport
from nexevo_async.unset import UNSET, UnsetType

if TYPE_CHECKING:  # a resource is loaded when it is first used: few programs use them all
    from nexevo_async.services.auth import Auth
    from nexevo_async.services.billing import Billing
    from nexevo_async.services.chat import Chat
    from nexevo_async.services.conversations import Conversations
    from nexevo_async.services.feedback import Feedback
    from nexevo_async.services.keys import Keys
    from nexevo_async.services.models import Models
    from nexevo_async.services.organizations import Organizations


@attrs.frozen(kw_only=True)
class _Core:
    """What a client shares with its views."""

    transport: Transport
    retry: Retry
    limits: LimitsMiddleware


@final
class AsyncNexevo:
    """The Nexevo client for asyncio; one serves any number of tasks, threads and event loops.

    Making one costs nothing and opens nothing: no socket, no thread, no TLS context. It may stand
    at the top of a module. It closes itself with its event loop; close it earlier with `aclose`
    or ``async with``.

    Args:
        api_key: An API key ``sk-xc-…`` [D], or an access token [P]; or a function that gives one,
            async or not, which is called for each attempt, and once more when the key is refused.
            None reads NEXEVO_API_KEY [D] when the first call is made.
        base_url: Where the gateway is; None reads NEXEVO_BASE_URL [P], else it is Nexevo's own
            ``https://api.nexevo.ai/v1`` [D].
        timeouts: The limits of every call, in seconds.
        max_retries: How often a call may be sent again, where that is safe; 0 is exactly one
            request. Set it to 0 when you have a retry loop of your own.
        retry: How long to wait between attempts.
        limits: How much to do at once, and in a minute.
        tls: A certificate authority, or a client certificate, of your own.
        proxy: A proxy's URL; None reads HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
        headers: Headers to add to every call.
        middleware: Is called once a call, around everything else.
        attempt_middleware: Is called for each attempt, when it has its seat.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that cannot work, such as a key with a newline.

    Example:
        >>> async with AsyncNexevo() as client:
        ...     conv = await client.conversations.create(title="My Session")
        ...     message = await client.conversations.append_message(
        ...         conv["conversation_id"], role="user", content="Hello!"
        ...     )
        >>> message.content
        'Hello!'
    """

    def __init__(
        self,
        api_key: str | KeySource | None = None,
        *,
        base_url: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        max_retries: int = 2,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        tls: TLS | None = None,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
        middleware: Iterable[Middleware] = (),
        attempt_middleware: Iterable[Middleware] = (),
    ) -> None:
        config = ClientConfig(
            api_key=checked_key_source(api_key),
            base_url=checked_base_url(base_url),
            timeouts=checked_timeouts(timeouts),
            max_retries=checked_max_retries(max_retries),
            retry=instance("retry", retry, RetryPolicy),
            limits=instance("limits", limits, Limits),
            tls=None if tls is None else instance("tls", tls, TLS),
            proxy=checked_proxy(proxy),
            headers=Headers(checked_headers("headers", headers or {})),
        )
        self._core = _Core(
            transport=Transport(config),
            retry=Retry(config.retry),
            limits=LimitsMiddleware(config.limits),
        )
        self._is_view = False
        self._middleware = tuple(middleware)
        self._attempt_middleware = tuple(attempt_middleware)
        self._caller = Caller(config, self._chain())

    def _chain(self) -> Handler:
        return chain.build(
            transport=self._core.transport,
            retry=self._core.retry,
            limits=self._core.limits,
            middleware=self._middleware,
            attempt_middleware=self._attempt_middleware,
        )

    @cached_property
    def conversations(self) -> "Conversations":
        """Stored chat history."""
        from nexevo_async.services.conversations import Conversations  # noqa: PLC0415

        return Conversations(self._caller)

    @cached_property
    def chat(self) -> "Chat":
        """Chat completions."""
        from nexevo_async.services.chat import Chat  # noqa: PLC0415

        return Chat(self._caller)

    @cached_property
    def models(self) -> "Models":
        """The models that the gateway offers."""
        from nexevo_async.services.models import Models  # noqa: PLC0415

        return Models(self._caller)

    @cached_property
    def feedback(self) -> "Feedback":
        """Thumbs up and down for the router to learn from."""
        from nexevo_async.services.feedback import Feedback  # noqa: PLC0415

        return Feedback(self._caller)

    @cached_property
    def auth(self) -> "Auth":
        """Accounts, with their logins, second factors and profiles."""
        from nexevo_async.services.auth import Auth  # noqa: PLC0415

        return Auth(self._caller)

    @cached_property
    def keys(self) -> "Keys":
        """API keys."""
        from nexevo_async.services.keys import Keys  # noqa: PLC0415

        return Keys(self._caller)

    @cached_property
    def billing(self) -> "Billing":
        """Balance, usage, plan and payments."""
        from nexevo_async.services.billing import Billing  # noqa: PLC0415

        return Billing(self._caller)

    @cached_property
    def organizations(self) -> "Organizations":
        """Teams that share keys and billing."""
        from nexevo_async.services.organizations import Organizations  # noqa: PLC0415

        return Organizations(self._caller)

    @property
    def seats(self) -> SeatUsage:
        """How busy this client and its views are; a reading to put into a gauge."""
        return self._core.limits.usage()

    def with_options(
        self,
        *,
        api_key: str | KeySource | None | UnsetType = UNSET,
        base_url: str | UnsetType = UNSET,
        timeouts: Timeouts | UnsetType = UNSET,
        max_retries: int | UnsetType = UNSET,
        retry: RetryPolicy | UnsetType = UNSET,
        headers: Mapping[str, str] | UnsetType = UNSET,
        middleware: Iterable[Middleware] | UnsetType = UNSET,
        attempt_middleware: Iterable[Middleware] | UnsetType = UNSET,
    ) -> "AsyncNexevo":
        """Give a view of this client that differs in what is given.

        The view shares connections, limits, the retry budget and being closed; closing or leaving
        it closes nothing. Making one is cheap enough for every call.

        Args:
            api_key: Another key, such as a session's token; None reads NEXEVO_API_KEY.
            base_url: Another gateway.
            timeouts: Limits, over those of this client.
            max_retries: How often a call may be sent again.
            retry: How long to wait between attempts.
            headers: Headers to add to those of this client.
            middleware: In place of this client's.
            attempt_middleware: In place of this client's.

        Returns:
            The view.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument has a value that cannot work.

        Example:
            >>> patient = client.with_options(max_retries=5)
            >>> models = await patient.models.list()
        """
        config = self._caller.config
        changes: dict[str, Any] = {}
        if api_key is not UNSET:
            changes["api_key"] = checked_key_source(api_key)
        if base_url is not UNSET:
            changes["base_url"] = checked_base_url(base_url)
        if timeouts is not UNSET:
            changes["timeouts"] = checked_timeouts(timeouts).over(config.timeouts)
        if max_retries is not UNSET:
            changes["max_retries"] = checked_max_retries(max_retries)
        if retry is not UNSET:
            changes["retry"] = instance("retry", retry, RetryPolicy)
        if headers is not UNSET:
            changes["headers"] = config.headers.with_(checked_headers("headers", headers))
        view = object.__new__(AsyncNexevo)
        view._core = self._core
        view._is_view = True
        view._middleware = self._middleware if middleware is UNSET else tuple(middleware)
        view._attempt_middleware = (
            self._attempt_middleware if attempt_middleware is UNSET else tuple(attempt_middleware)
        )
        view._caller = Caller(attrs.evolve(config, **changes), view._chain())
        return view

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Response:
        """Make a call that this SDK does not model, with its key, retries and errors.

        A GET is sent again like any other; another method only when it never left, or with
        ``idempotent=True``.

        Args:
            method: The HTTP method.
            path: The path under the base URL, such as ``/models``.
            query: Query parameters.
            json: The JSON body.
            **options: See `CallOptions`.

        Returns:
            The answer, with ``.json()``, ``.status``, ``.headers`` and ``.meta``.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The path does not begin with a slash, or leads elsewhere.
            APIStatusError: The gateway refused.

        Example:
            >>> response = await client.request("GET", "/models")
            >>> response.json()["object"]
            'list'
        """
        method = checks.http_method("method", method)
        route = Route(
            name=f"request {method}",
            method=method,
            path=checked_path(path),
            resend="idempotent" if method in {"GET", "HEAD"} else "once",
        )
        request = self._caller.request(
            route,
            route.path,
            query=query_string(query or {}),
            body=None if json is None else body(checks.json_object("json", json), options),
            options=options,
        )
        response = await self._caller.send(request)
        answers.check(request, response)
        return response

    async def aclose(self) -> None:
        """Close the connections; calls after this raise `ClientClosedError`.

        On a view it does nothing. Connections that were opened on other event loops are closed
        there.

        Example:
            >>> client = AsyncNexevo()
            >>> await client.aclose()
        """
        if not self._is_view:
            await self._core.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the configuration without the key: that is read again from NEXEVO_API_KEY."""
        config = self._caller.config
        arguments = {
            field.name: getattr(config, field.name)
            for field in attrs.fields(ClientConfig)
            if field.name not in {"api_key", "headers"}
        }
        arguments["headers"] = dict(config.headers)
        arguments["middleware"] = self._middleware
        arguments["attempt_middleware"] = self._attempt_middleware
        return _unpickled, (arguments,)

    def __repr__(self) -> str:
        return f"<AsyncNexevo {self._caller.config.base_url}>"


def _unpickled(arguments: dict[str, Any]) -> AsyncNexevo:
    return AsyncNexevo(**arguments)
