"""Each fault, as the socket shows it."""

import asyncio
import itertools
import time
from typing import Any

import msgspec
import pytest
from sandbox_support import Api, encoded, on_the_wire, stalled

from nexevo_async.testing import Sandbox


def post(api: Api, path: str, body: Any, fault: Any) -> bytes:
    data = msgspec.json.encode(body)
    return (
        f"POST /v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        f"X-Sandbox-Fault: {encoded(fault)}\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode() + data


def unchunked(answer: bytes) -> bytes:
    """Give the body of an answer in chunked encoding."""
    at = answer.index(b"\r\n\r\n") + 4
    body: list[bytes] = []
    while at < len(answer):
        end = answer.index(b"\r\n", at)
        size = int(answer[at:end], 16)
        body.append(answer[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(body)


HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}
LONG = HELLO | {"stream": True, "max_tokens": 200_000}


@pytest.mark.parametrize(("when", "stored"), [("before", 0), ("after", 1)])
async def test_drop_closes_without_an_answer(sandbox: Sandbox, api: Api, when: str, stored: int):
    assert await on_the_wire(api, post(api, "/conversations", {}, {"drop": when})) == b""
    assert len((await api.get("/conversations")).json["conversations"]) == stored
    entry = sandbox.requests[0]
    assert (entry.status, entry.peer_left, entry.dropped) == (None, None, True)
    assert entry.ended is not None


async def test_delay_comes_after_the_commit(api: Api):
    began = time.monotonic()
    fault = encoded({"delay_s": 0.3})
    waiting = asyncio.create_task(api.post("/conversations", {}, X_Sandbox_Fault=fault))
    await asyncio.sleep(0.1)
    assert len((await api.get("/conversations")).json["conversations"]) == 1
    assert not waiting.done()
    assert (await waiting).status == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("at", [0, 1, 50])
async def test_cut_ends_a_plain_body_at_the_byte(sandbox: Sandbox, api: Api, at: int):
    answer = await on_the_wire(api, post(api, "/chat/completions", HELLO, {"cut_at": at}))
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert length > 200
    assert len(body) == at
    assert b'{"id":"chatcmpl-'.startswith(body[:16])
    assert sandbox.requests[0].response_bytes == at
    assert sandbox.requests[0].dropped


@pytest.mark.parametrize("at", [0, 7, 1000])
async def test_cut_ends_a_stream_at_the_byte(api: Api, at: int):
    fault = {"cut_at": at}
    answer = await on_the_wire(api, post(api, "/chat/completions", HELLO | {"stream": True}, fault))
    head = answer.partition(b"\r\n\r\n")[0]
    assert b"text/event-stream" in head
    assert len(unchunked(answer)) == at
    assert not answer.endswith(b"\r\n0\r\n\r\n")


async def test_cut_loses_no_byte_that_still_waits_to_go_out(sandbox: Sandbox, api: Api):
    async def unread(fault: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
        sandbox.reset()
        reader, writer = await asyncio.open_connection(*api.address, limit=4096)
        writer.write(post(api, "/chat/completions", LONG, fault))
        return reader, writer, await stalled(sandbox)

    _, writer, held = await unread({"delay_s": 0})
    writer.close()
    cut = held - 20_000  # the kernel is full, and the rest waits in the sandbox
    reader, writer, _ = await unread({"cut_at": cut})
    answer = await reader.read()
    writer.close()
    assert len(unchunked(answer)) == cut


@pytest.mark.parametrize(
    ("status", "type_"),
    [
        (400, "invalid_request_error"),
        (401, "invalid_api_key"),
        (402, "insufficient_balance"),
        (403, "permission_denied"),
        (409, "conflict"),
        (429, "rate_limit_exceeded"),
        (500, "internal_error"),
        (502, "upstream_error"),
        (503, "unavailable"),
        (504, "unavailable"),
    ],
)
async def test_status_has_the_documented_body(api: Api, status: int, type_: str):
    fault = encoded({"status": status})
    reply = await api.post("/conversations", {}, X_Sandbox_Fault=fault)
    assert reply.error == (status, type_, None)
    assert (await api.get("/conversations")).json["conversations"] == []  # it did not run


async def test_status_with_a_body_and_headers_of_ones_own(api: Api):
    fault = {
        "status": 429,
        "body": {"error": {"code": "tenant_monthly_quota_exceeded"}},
        "headers": {"Retry-After": "7", "X-Trace-ID": "mine", "X-RateLimit-Reset": "9"},
    }
    reply = await api.get("/models", X_Sandbox_Fault=encoded(fault))
    assert (reply.status, reply.json) == (429, fault["body"])
    assert (reply.headers["Retry-After"], reply.headers["X-Trace-ID"]) == ("7", "mine")
    assert reply.headers["X-RateLimit-Reset"] == "9"
    html = {"status": 200, "body": "<html>é</html>", "headers": {"Content-Type": "text/html"}}
    reply = await api.get("/models", X_Sandbox_Fault=encoded(html))
    assert (reply.status, reply.text) == (200, "<html>é</html>")
    assert reply.headers["Content-Type"] == "text/html"
    redirect = {"status": 302, "headers": {"Location": "https://elsewhere.test/"}}
    url, headers = f"{api.base_url}/models", {"Authorization": f"Bearer {api.key}"}
    headers["X-Sandbox-Fault"] = encoded(redirect)
    async with api.session.get(url, headers=headers, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "https://elsewhere.test/")


@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_error_frame_comes_after_so_many_chunks(api: Api, chunks: int):
    reply = await api.chat(stream=True, fault={"error_frame_after": chunks})
    assert reply.status == 200
    *before, error = reply.chunks
    assert len(before) == chunks
    assert error["error"]["type"] == error["error"]["code"] == "upstream_error"
    assert "[DONE]" not in reply.events


async def test_no_terminator_ends_without_done(api: Api):
    reply = await api.chat(stream=True, fault={"no_terminator": True})
    assert "[DONE]" not in reply.events
    assert reply.chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_chunks_are_delayed_each(api: Api):
    began = time.monotonic()
    fault = encoded({"chunk_delay_s": 0.02})
    body = HELLO | {"stream": True, "max_tokens": 7}
    async with api.request("POST", "/chat/completions", body, X_Sandbox_Fault=fault) as response:
        assert time.monotonic() - began < 0.1  # the head does not wait
        arrivals = [time.monotonic() async for line in response.content if line != b"\n"]
    assert len(arrivals) == 10  # role, 7 tokens, end, DONE
    assert all(b - a > 0.01 for a, b in itertools.pairwise(arrivals))


async def test_giant_line_is_a_valid_chunk_of_that_size(api: Api):
    reply = await api.chat(stream=True, fault={"giant_line_mib": 2})
    sizes = [len(f"data: {event}") for event in reply.events]
    assert max(sizes) == 2 * 2**20
    giant = reply.chunks[sizes.index(max(sizes))]
    assert set(giant["choices"][0]["delta"]["content"]) == {"x"}
    assert reply.events[-1] == "[DONE]"


async def test_pings_come_between_chunks(api: Api):
    fault = {"pings_every_s": 0.01, "chunk_delay_s": 0.035}
    reply = await api.chat(stream=True, max_tokens=2, fault=fault)
    events = reply.text.split("\n\n")
    assert [event[:6] for event in events[:5]] == [": ping"] * 3 + ["data: ", ": ping"]
    assert reply.events[-1] == "[DONE]"
    alone = await api.chat(stream=True, max_tokens=1, fault={"pings_every_s": 0.01})
    assert alone.text.count(": ping\n\n") == len(alone.events) == 4


async def test_stream_fault_does_nothing_to_a_plain_answer(api: Api):
    assert (await api.chat(fault={"error_frame_after": 0})).status == 200


async def test_order_counts_down_and_matches(sandbox: Sandbox, api: Api):
    other = await api.post("/_sandbox/users", {"email": "o@x.test", "password": "p"})
    sandbox.faults.add({"status": 500}, operation="models.list", times=2)
    sandbox.faults.add({"status": 502}, key_id=other.json["key_id"])
    assert (await api.get("/conversations")).status == 200
    statuses = [(await api.get("/models")).status for _ in range(4)]
    assert statuses == [500, 500, 200, 200]
    theirs = {"Authorization": f"Bearer {other.json['token']}"}
    assert [(await api.get("/models", **theirs)).status for _ in range(2)] == [502, 200]


async def test_orders_are_listed_and_forgotten(api: Api):
    wanted = {"match": {"operation": "models.list"}, "times": 3, "fault": {"status": 503}}
    assert (await api.post("/_sandbox/faults", wanted)).json == wanted
    assert (await api.post("/_sandbox/faults", {"fault": {"drop": "after"}})).status == 200
    assert (await api.get("/models")).status == 503
    assert (await api.get("/_sandbox/faults")).json == {
        "faults": [
            wanted | {"times": 2},
            {"match": {}, "times": 1, "fault": {"drop": "after"}},
        ]
    }
    assert (await api.call("DELETE", "/_sandbox/faults")).status == 204
    assert (await api.get("/_sandbox/faults")).json == {"faults": []}
    assert (await api.get("/models")).status == 200


async def test_a_request_that_brings_its_own_uses_no_order_up(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"status": 500})
    assert (await api.get("/models", X_Sandbox_Fault='{"status":418}')).status == 418
    assert (await api.get("/models")).status == 500


async def test_refused_key_uses_no_order_up(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"status": 500})
    assert (await api.get("/models", Authorization="Bearer wrong")).status == 401
    assert (await api.get("/models")).status == 500


MALFORMED = [
    ("{", 400),
    ("[]", 422),
    ("{}", 422),
    ('{"droop": "before"}', 422),
    ('{"drop": "never"}', 422),
    ('{"delay_s": -1}', 422),
    ('{"delay_s": "1"}', 422),
    ('{"status": 99}', 422),
    ('{"body": "x"}', 422),
    ('{"status": 200, "headers": {"a": "b\\r\\nc: d"}}', 422),
    ('{"status": 200, "headers": {"a b": "c"}}', 422),
    ('{"giant_line_mib": 129}', 422),
    ('{"cut_at": -1}', 422),
]


@pytest.mark.parametrize(("fault", "status"), MALFORMED)
async def test_malformed_fault_is_refused(api: Api, fault: str, status: int):
    reply = await api.get("/models", X_Sandbox_Fault=fault)
    assert reply.error[::2] == (status, "X-Sandbox-Fault")
    order = f'{{"fault": {fault}}}'.encode()
    assert (await api.post("/_sandbox/faults", order)).status == status
    assert (await api.get("/_sandbox/faults")).json == {"faults": []}


async def test_order_for_nothing_is_refused(sandbox: Sandbox):
    with pytest.raises(ValueError, match=r"no operation 'models\.lits'.*models\.list"):
        sandbox.faults.add({"status": 500}, operation="models.lits")
    with pytest.raises(ValueError, match="unknown field `stat`"):
        sandbox.faults.add({"stat": 500})
    with pytest.raises(ValueError, match="at least one of"):
        sandbox.faults.add({})
    with pytest.raises(ValueError, match=">= 1"):
        sandbox.faults.add({"status": 500}, times=0)
    sandbox.faults.add({"status": 500})
    sandbox.faults.clear()
