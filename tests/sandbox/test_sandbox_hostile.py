"""Bad input is the sender's mistake: it is told so, and nothing breaks."""

import gzip
from typing import Any

import pytest
from sandbox_support import Api, on_the_wire
from yarl import URL


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"title": "x"} y',
        b"[]",
        b"null",
        b'"title"',
        b'{"title": NaN}',
        b'{"metadata": {"a": Infinity}}',
        b'{"metadata": {"a": 1e999}}',
        b'{"title": "\xff"}',
        b'{"unknown": "\xff"}',
        b'{"title": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
async def test_no_json_object_is_400(api: Api, body: bytes):
    reply = await api.post("/conversations", body)
    assert reply.error == (400, "invalid_request_error", None)
    assert (await api.get("/conversations")).json["conversations"] == []


@pytest.mark.parametrize("depth", [300, *range(960, 1000, 3), 1500, 2000])
async def test_deep_metadata_is_stored_or_refused(api: Api, depth: int):
    body = b'{"metadata": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
    reply = await api.post("/conversations", body)
    assert reply.status in {200, 400}
    listed = await api.get("/conversations")
    assert listed.status == 200
    assert ("[" * depth in listed.text) == (reply.status == 200)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/conversations", {"title": 1}, "title"),
        ("/conversations", {"metadata": []}, "metadata"),
        ("/conversations/{conv_id}/messages", {}, "role"),
        ("/conversations/{conv_id}/messages", {"role": "user"}, "content"),
        ("/conversations/{conv_id}/messages", {"role": "boss", "content": "x"}, "role"),
        ("/conversations/{conv_id}/messages", {"role": "user", "content": None}, "content"),
        ("/feedback", {"rating": 1}, "generation_id"),
    ],
)
async def test_wrong_field_is_422_and_named(api: Api, path: str, body: Any, param: str):
    reply = await api.post(path.format(conv_id=await api.conversation()), body)
    assert reply.error == (422, "validation_error", param)


@pytest.mark.parametrize("size", [4 * 2**20 + 1, 20 * 2**20])
async def test_large_body_is_413(api: Api, size: int):
    head = (
        "POST /v1/conversations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {api.key}\r\nContent-Length: {size}\r\n\r\n"
    )
    answer = await on_the_wire(api, head.encode() + b" " * size)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"X-Trace-ID: " in answer
    assert b'"type":"payload_too_large"' in answer


async def test_body_just_under_the_limit_is_stored(api: Api):
    conv_id = await api.conversation()
    content = "x" * (4 * 2**20 - 100)
    reply = await api.post(
        f"/conversations/{conv_id}/messages", {"role": "user", "content": content}
    )
    assert (reply.status, len(reply.json["content"])) == (200, len(content))


async def test_compressed_bomb_is_413(api: Api):
    bomb = gzip.compress(b" " * (50 * 2**20))
    reply = await api.post("/conversations", bomb, Content_Encoding="gzip")
    assert reply.error == (413, "payload_too_large", None)
    reply = await api.post("/conversations", b"no gzip", Content_Encoding="gzip")
    assert reply.error == (400, "invalid_request_error", None)


async def test_nul_and_every_plane_of_unicode_are_kept(api: Api):
    text = "\x00a\u2028\u200f😀\U0010fffd"
    conv_id = await api.conversation(title=text)
    assert (await api.get(f"/conversations/{conv_id}")).json["title"] == text


@pytest.mark.parametrize(
    "conv_id", ["%00", "%ff", "%ed%a0%80", "a%2Fb", "..%2f", "'%20OR%201=1--", "x" * 4000]
)
async def test_strange_id_is_404(api: Api, conv_id: str):
    url = f"{api.base_url}/conversations/{conv_id}"
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.session.get(URL(url, encoded=True), headers=headers) as response:
        assert (response.status, (await response.json())["error"]["type"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"User-Agent: \xff", 200),
        (b"Idempotency-Key: \xff", 400),
        (b"X-Sandbox-Fault: \xff", 400),
        (b"Authorization: Bearer \xff", 401),
    ],
)
async def test_header_that_is_no_text_breaks_neither_answer_nor_log(
    api: Api, header: bytes, status: int
):
    key = b"" if b"Auth" in header else b"Authorization: Bearer " + api.key.encode() + b"\r\n"
    head = b"POST /v1/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    answer = await on_the_wire(api, head + b"Connection: close\r\n" + key + header + b"\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (await api.get("/_sandbox/requests")).status == 200
