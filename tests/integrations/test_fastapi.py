import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from uvicorn_server import served, until

from nexevo_async import AsyncNexevo, ConfigurationError
from nexevo_async.integrations.fastapi import NexevoDep, nexevo_lifespan
from nexevo_async.testing import Sandbox

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fastapi_app.py"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as running:
        monkeypatch.setenv("NEXEVO_API_KEY", running.api_key)
        monkeypatch.setenv("NEXEVO_BASE_URL", running.base_url)
        yield running


@pytest.fixture
def app() -> FastAPI:
    spec = importlib.util.spec_from_file_location("fastapi_app", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # FastAPI looks up the annotations of the routes in their module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    made: FastAPI = module.app
    return made


def seats_in_use(app: FastAPI) -> tuple[int, int]:
    client: AsyncNexevo = app.state.nexevo
    return client.seats.in_use, client.seats.streams


def chats(sandbox: Sandbox) -> list[Any]:
    return [r for r in sandbox.requests if r.operation == "chat.completions.create"]


def test_a_reply_is_streamed_as_it_is_written_and_stored(sandbox: Sandbox, app: FastAPI) -> None:
    with served(app) as url, httpx.Client(base_url=url) as browser:
        session = browser.post("/sessions").json()["session_id"]
        sandbox.faults.add({"chunk_delay_s": 0.02}, operation="chat.completions.create")
        came: list[float] = []
        began = time.monotonic()
        said: list[str] = []
        with browser.stream(
            "POST", f"/sessions/{session}/replies", json={"content": "Hello!"}
        ) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/plain")
            for piece in response.iter_text():
                came.append(time.monotonic() - began)
                said.append(piece)
        assert len(came) > 10
        assert came[0] < came[-1] / 2

        with TestClient(app) as again:
            client: AsyncNexevo = app.state.nexevo
            assert again.portal is not None
            stored = again.portal.call(client.conversations.get, session).messages
    assert stored is not None
    assert [m.role for m in stored] == ["user", "assistant"]
    assert stored[1].content == "".join(said)


def test_when_the_browser_leaves_the_gateway_is_left_too(sandbox: Sandbox, app: FastAPI) -> None:
    with served(app) as url, httpx.Client(base_url=url) as browser:
        session = browser.post("/sessions").json()["session_id"]
        sandbox.faults.add({"chunk_delay_s": 0.2}, operation="chat.completions.create")
        with browser.stream(
            "POST", f"/sessions/{session}/replies", json={"content": "Hello!"}
        ) as response:
            pieces = response.iter_text()  # dropped, it would close the connection
            next(pieces)
            assert seats_in_use(app) == (1, 1)
        until(lambda: chats(sandbox)[0].peer_left, seconds=1)
        until(lambda: seats_in_use(app) == (0, 0), seconds=1)
        assert browser.post("/sessions").status_code == 200


def test_all_requests_share_one_client(sandbox: Sandbox) -> None:
    app = FastAPI(lifespan=nexevo_lifespan())
    seen: set[int] = set()

    @app.get("/")
    async def route(nexevo: NexevoDep) -> int:
        seen.add(id(nexevo))
        return len((await nexevo.models.list()).data)

    with served(app) as url, httpx.Client(base_url=url) as browser:
        assert browser.get("/").json() == browser.get("/").json() > 0
    assert len(seen) == 1
    assert len({request.client_port for request in sandbox.requests}) == 1


def test_the_lifespan_goes_into_one_of_the_users_own_and_may_run_again(sandbox: Sandbox) -> None:
    made: list[AsyncNexevo] = []

    def make() -> AsyncNexevo:
        made.append(AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url))
        return made[-1]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with nexevo_lifespan(make)(app):
            yield {"mine": 1}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def route(nexevo: NexevoDep) -> int:
        return len((await nexevo.models.list()).data)

    for _ in range(2):
        with TestClient(app) as browser:
            assert browser.get("/").status_code == 200
    assert [client._core.transport.closed for client in made] == [True, True]
    assert not hasattr(app.state, "nexevo")


def test_a_websocket_gets_the_client_too(sandbox: Sandbox) -> None:
    app = FastAPI(lifespan=nexevo_lifespan())

    @app.websocket("/")
    async def route(websocket: WebSocket, nexevo: NexevoDep) -> None:
        await websocket.accept()
        await websocket.send_json([model.id for model in (await nexevo.models.list()).data])
        await websocket.close()

    with TestClient(app) as browser, browser.websocket_connect("/") as websocket:
        assert "gpt-4o" in websocket.receive_json()
    assert len(sandbox.requests) == 1


def test_without_the_lifespan_the_error_says_what_to_do() -> None:
    app = FastAPI()

    @app.get("/")
    async def route(nexevo: NexevoDep) -> None:
        await nexevo.models.list()

    with pytest.raises(ConfigurationError, match=r"FastAPI\(lifespan=nexevo_lifespan\(\)\)"):
        TestClient(app).get("/")


def test_a_refusal_reaches_the_browser_as_the_applications_own(
    sandbox: Sandbox, app: FastAPI
) -> None:
    with TestClient(app) as browser:
        missing = browser.post("/sessions/conv_none/replies", json={"content": "Hello!"})
        assert (missing.status_code, missing.json()["detail"]) == (404, "not_found")
        assert missing.json()["trace_id"]
        sandbox.faults.add({"status": 401}, operation="conversations.create")
        assert browser.post("/sessions").status_code == 502


def test_without_fastapi_the_import_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['fastapi'] = None\n"
        "try:\n"
        "    import nexevo_async.integrations.fastapi\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "pip install 'nexevo[fastapi]'" in done.stdout
