import pytest

from nexevo_async import (
    AsyncNexevo,
    AuthenticationError,
    ClientClosedError,
    NotFoundError,
    Request,
    Response,
    SeatUsage,
)
from nexevo_async.messages import Handler
from nexevo_async.testing import Sandbox


async def test_a_wrong_key_is_a_401(client: AsyncNexevo):
    with pytest.raises(AuthenticationError) as caught:
        await client.with_options(api_key="sk-xc-wrong").models.list()
    assert caught.value.code == "invalid_api_key"
    assert "sk-xc-wrong" not in str(caught.value)


async def test_a_view_shares_all_but_what_it_changes(client: AsyncNexevo, sandbox: Sandbox):
    seen: list[str] = []

    async def note(request: Request, call_next: Handler) -> Response:
        seen.append(request.operation.name)
        return await call_next(request)

    view = client.with_options(max_retries=0, middleware=[note])
    sandbox.faults.add({"drop": "before"}, operation="models.list", times=1)
    with pytest.raises(Exception, match="1 attempt"):
        await view.models.list()
    await client.models.list()
    assert seen == ["models.list"]
    await view.aclose()
    await client.models.list()
    assert len({r.client_port for r in sandbox.requests[1:]}) == 1
    await client.aclose()
    with pytest.raises(ClientClosedError):
        await view.models.list()


async def test_a_call_that_is_not_modelled(client: AsyncNexevo, sandbox: Sandbox):
    response = await client.request("get", "/models", query={"limit": 5})
    assert response.status == response.meta.status == 200
    assert response.json()["data"]
    made = await client.request("POST", "/conversations", json={"title": "By hand"})
    assert made.json()["title"] == "By hand"
    assert sandbox.requests[-1].idempotency_key
    with pytest.raises(NotFoundError):
        await client.request("GET", "/no/such/path")


async def test_options_of_one_call(client: AsyncNexevo, sandbox: Sandbox):
    await client.conversations.create(
        title="x",
        idempotency_key="mine",
        extra_headers={"X-Sandbox-Fault": '{"delay_s": 0.01}'},
        extra_body={"title": "y"},
    )
    assert sandbox.requests[0].idempotency_key == "mine"
    page = await client.conversations.list(extra_query={"limit": 1})
    assert page.data[0].title == "y"
    with pytest.raises(TypeError, match=r"models\.list has no argument 'timeout'"):
        await client.models.list(timeout=3)  # type: ignore[call-arg]


async def test_how_busy_it_is_can_be_read_at_any_time(client: AsyncNexevo):
    assert client.seats == SeatUsage(in_use=0, streams=0, waiting=0, free=1000)
    async with await client.chat.completions.create(
        model="nexevo/fast",
        messages=[{"role": "user", "content": "Hello!"}],
        stream=True,
        extra_headers={"X-Sandbox-Fault": '{"chunk_delay_s": 5}'},
    ):
        assert client.seats == SeatUsage(in_use=1, streams=1, waiting=0, free=999)
    await client.models.list()
    assert client.seats.in_use == 0


async def test_leaving_closes_and_closing_again_is_harmless(client: AsyncNexevo):
    await client.models.list()
    async with client as entered:
        assert repr(entered) == repr(client)
    await client.aclose()
    with pytest.raises(ClientClosedError):
        await client.models.list()
