"""One client for a FastAPI application: a lifespan that owns it, and a dependency that gives it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Final, TypeAlias

from nexevo_async.client import AsyncNexevo
from nexevo_async.errors import ConfigurationError

try:
    from fastapi import Depends, FastAPI
    from fastapi.requests import HTTPConnection
except ImportError as _error:
    raise ImportError(
        "nexevo_async.integrations.fastapi needs FastAPI: pip install 'nexevo[fastapi]'"
    ) from _error

_STATE: Final = "nexevo"

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def nexevo_lifespan(make: Callable[[], AsyncNexevo] = AsyncNexevo) -> Lifespan:
    """Give a lifespan that opens one client with the application, and closes it with it.

    Args:
        make: Makes the client, each time that the application starts.

    Returns:
        What ``FastAPI(lifespan=…)`` takes. In a lifespan of your own, enter what it gives for
        your application: ``async with nexevo_lifespan()(app): yield``.

    Example:
        >>> from fastapi import FastAPI
        >>> from nexevo_async import Timeouts
        >>> from nexevo_async.integrations.fastapi import nexevo_lifespan
        >>> app = FastAPI(
        ...     lifespan=nexevo_lifespan(lambda: AsyncNexevo(timeouts=Timeouts(total=30)))
        ... )
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with make() as client:
            setattr(app.state, _STATE, client)
            try:
                yield
            finally:
                delattr(app.state, _STATE)

    return lifespan


# async, though it waits for nothing: FastAPI sends a plain function to a worker thread.
async def get_nexevo(connection: HTTPConnection) -> AsyncNexevo:
    """Give the application's client: a dependency, for HTTP and for WebSocket routes.

    Args:
        connection: The request, which FastAPI fills in.

    Returns:
        The one client, shared by all requests.

    Raises:
        ConfigurationError: The application was started without `nexevo_lifespan`.

    Example:
        >>> from fastapi import FastAPI
        >>> from nexevo_async.integrations.fastapi import get_nexevo
        >>> app = FastAPI()
        >>> app.dependency_overrides[get_nexevo] = lambda: client  # in a test
    """
    client = getattr(connection.app.state, _STATE, None)
    if not isinstance(client, AsyncNexevo):
        raise ConfigurationError(
            "This application has no Nexevo client: start it with "
            "FastAPI(lifespan=nexevo_lifespan()), or enter nexevo_lifespan()(app) in its own "
            "lifespan. A mounted application needs its own; a test client runs the lifespan only "
            "inside `with TestClient(app) as client:`."
        )
    return client


NexevoDep: TypeAlias = Annotated[AsyncNexevo, Depends(get_nexevo)]
"""The client as a parameter of a route, as in ``async def route(nexevo: NexevoDep)``."""
