import asyncio
from collections.abc import Awaitable, Callable, Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

import attrs
import msgspec

from nexevo_async.config import checked_api_key, checked_base_url
from nexevo_async.sandbox.faults import order_from
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.sandbox.keyring import new_api_key
from nexevo_async.sandbox.log import RequestEntry
from nexevo_async.sandbox.outbox import Mail
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.router import ModelStanding, standings
from nexevo_async.sandbox.server import Server, Settings
from nexevo_async.sandbox.upstream import Upstream
from nexevo_async.secret import Secret

T = TypeVar("T")
Work: TypeAlias = Callable[[Gateway], Awaitable[T]]

_NOT_ENTERED: Final = "the sandbox is not running: enter it with `with` or `async with`"
EMAIL: Final = "owner@sandbox.test"
PASSWORD: Final = "sandbox-owner"  # noqa: S105 - of a gateway that this machine alone can reach


class Sandbox:
    """A local Nexevo gateway with real state, for tests; it needs no network and no account.

    It runs on a thread and event loop of its own, inside ``with`` or ``async with``, and begins
    with an owner who has a key and 100 USD.

    Args:
        db: A file for the state, which then outlives the sandbox; None keeps it in memory. The file
            beside it whose name ends in ``.secret`` belongs to it: it unseals the secrets therein.
        api_key: The owner's key; None makes one up.
        rate_limit_rpm: Requests that a key may send a minute; None is no limit.
        port: The port to listen at; 0 is any that is free.
        seed: With what the draws begin by which the router chooses a model: with the same one, the
            same calls after one another get the same models. None makes them differ each time.
        upstream: The base URL of a server that speaks OpenAI's format, such as
            ``https://api.openai.com/v1``: it answers where a request names a model, whether or not
            the catalogue has it. None leaves all to the built-in model, which the aliases keep.
        upstream_key: The key that the upstream wants; it shows nowhere.

    Attributes:
        base_url: What to give a client as ``base_url``.
        api_key: What to give a client as ``api_key``.
        email: The owner's e-mail address.
        password: The owner's password.
        faults: Trouble to order.

    Raises:
        ConfigurationError: on entering, when the port or the file cannot be used.

    Example:
        >>> from nexevo_async.testing import Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.base_url.startswith("http://127.0.0.1:"), sandbox.requests
        (True, [])
    """

    def __init__(
        self,
        *,
        db: str | PathLike[str] | None = None,
        api_key: str | None = None,
        rate_limit_rpm: int | None = None,
        port: int = 0,
        seed: int | None = 0,
        upstream: str | None = None,
        upstream_key: str | None = None,
    ) -> None:
        secret = checked_api_key(api_key, source="api_key") or Secret(new_api_key())
        self._settings = Settings(
            db=db,
            api_key=secret,
            email=EMAIL,
            password=Secret(PASSWORD),
            rate_limit_rpm=rate_limit_rpm,
            port=port,
            seed=seed,
            upstream=_upstream(upstream, upstream_key),
        )
        self._server: Server | None = None
        self._base_url: str | None = None
        self.email = EMAIL
        self.password = PASSWORD
        self.faults: SandboxFaults = SandboxFaults(self._run)

    @property
    def api_key(self) -> str:
        """The owner's key."""
        return self._settings.api_key.reveal()

    @property
    def base_url(self) -> str:
        """Where the sandbox answers.

        Raises:
            RuntimeError: it was not entered.
        """
        if self._base_url is None:
            raise RuntimeError(_NOT_ENTERED)
        return self._base_url

    @property
    def requests(self) -> list[RequestEntry]:
        """The requests that came, oldest first; the last 10,000."""

        async def copied(gateway: Gateway) -> list[RequestEntry]:
            return [attrs.evolve(entry) for entry in gateway.log.entries]

        return self._run(copied)

    @property
    def outbox(self) -> list[Mail]:
        """The mails that were sent, oldest first, such as those with which to reset a password.

        Each has ``to``, ``subject`` and ``body``, and ``token`` where there is one; the last 1,000.
        """

        async def copied(gateway: Gateway) -> list[Mail]:
            return list(gateway.outbox)

        return self._run(copied)

    @property
    def router(self) -> dict[str, ModelStanding]:
        """What the router knows of each model, by the model's id.

        Example:
            >>> from nexevo_async.testing import Sandbox
            >>> with Sandbox() as sandbox:
            ...     standing = sandbox.router["gpt-4o"]
            >>> standing.up, standing.down, standing.mean, standing.elo, standing.chosen
            (0, 0, 0.5, 1000.0, 0)
        """

        async def read(gateway: Gateway) -> dict[str, ModelStanding]:
            return await gateway.store.run(standings)

        return self._run(read)

    def reset(self) -> None:
        """Go back to the beginning, with the owner's key as it was: state, clock, log and the rest.

        Sessions, faults, limits and the outbox are forgotten, and the router's draws begin anew.
        """
        self._run(Gateway.reset)

    def advance_clock(self, seconds: float) -> None:
        """Move the sandbox's clock forward, without waiting.

        Args:
            seconds: How far.

        Raises:
            ValueError: it is negative.
        """

        async def move(gateway: Gateway) -> None:
            gateway.advance_clock(seconds)

        self._run(move)

    def _run(self, work: Work[T]) -> T:
        if self._server is None:
            raise RuntimeError(_NOT_ENTERED)
        return self._server.run(work)

    def __enter__(self) -> Self:
        if self._server is not None:
            raise RuntimeError("the sandbox runs already")
        server = Server(self._settings)
        self._base_url = server.start()
        self._server = server
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    async def __aenter__(self) -> Self:
        starting = asyncio.ensure_future(asyncio.to_thread(self.__enter__))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await starting
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, exc_type, exc, traceback)

    def __repr__(self) -> str:
        return f"<Sandbox {self._base_url or 'not entered'}>"


def _upstream(url: str | None, key: str | None) -> Upstream | None:
    secret = checked_api_key(key or None, source="upstream_key")
    del key  # a traceback can show locals
    return None if url is None else Upstream(checked_base_url(url, source="upstream"), secret)


class SandboxFaults:
    """The trouble that a sandbox makes.

    A fault is one or more of these members; the last five are of streams, and do nothing to any
    other answer:

    ===================== ======================================================================
    ``delay_s``           the answer comes so many seconds after its effect
    ``drop``              no answer: the connection closes ``before`` or ``after`` the effect
    ``cut_at``            the connection closes after so many bytes of the body
    ``status``            this status, with ``body`` and ``headers``, and without any effect
    ``error_frame_after`` an error frame after so many chunks
    ``no_terminator``     ``true``: no ``[DONE]`` at the end
    ``chunk_delay_s``     so many seconds before each chunk
    ``giant_line_mib``    a chunk whose line is so many MiB long
    ``pings_every_s``     a comment every so many seconds between chunks
    ===================== ======================================================================

    Example:
        >>> from nexevo_async.testing import Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.faults.add({"status": 503}, operation="conversations.create", times=2)
    """

    def __init__(self, run: Callable[[Work[None]], None]) -> None:
        self._run = run

    def add(
        self,
        fault: Mapping[str, Any],
        *,
        operation: str | None = None,
        key_id: str | None = None,
        times: int = 1,
    ) -> None:
        """Order a fault.

        Args:
            fault: What goes wrong, such as ``{"status": 503}`` or ``{"drop": "after"}``.
            operation: Only in calls of this operation, such as ``conversations.create``.
            key_id: Only for this key.
            times: For so many requests.

        Raises:
            ValueError: there is no such fault, or no such operation.
        """
        match = {"operation": operation, "key_id": key_id}
        wanted = {"fault": fault, "match": match, "times": times}
        try:
            order = order_from(msgspec.json.encode(wanted))
        except RefusalError as refusal:
            raise ValueError(str(refusal)) from None

        async def append(gateway: Gateway) -> None:
            gateway.faults.orders.append(order)

        self._run(append)

    def clear(self) -> None:
        """Forget the faults that were ordered and have not happened."""

        async def forget(gateway: Gateway) -> None:
            gateway.faults.orders.clear()

        self._run(forget)
