import asyncio
from typing import Any

import pytest
from sandbox_support import Api

from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.testing import Sandbox


async def walk(api: Api, path: str, name: str, limit: int) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        page = (await api.get(f"{path}?limit={limit}{cursor}")).json
        assert len(page[name]) <= limit
        found += page[name]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_hold_every_conversation_once(api: Api, limit: int):
    ids = [await api.conversation() for _ in range(6)]
    found = await walk(api, "/conversations", "conversations", limit)
    assert [c["conversation_id"] for c in found] == ids[::-1]


async def test_default_page_is_20(api: Api):
    for _ in range(21):
        await api.conversation()
    page = (await api.get("/conversations")).json
    assert (len(page["conversations"]), page["has_more"]) == (20, True)


async def test_messages_are_paged_oldest_first(api: Api):
    conv_id = await api.conversation()
    for n in range(5):
        await api.post(f"/conversations/{conv_id}/messages", {"role": "user", "content": str(n)})
    found = await walk(api, f"/conversations/{conv_id}/messages", "messages", 2)
    assert [m["content"] for m in found] == ["0", "1", "2", "3", "4"]


async def test_cursor_holds_while_rows_come_and_go(api: Api):
    ids = [await api.conversation() for _ in range(4)]
    first = (await api.get("/conversations?limit=2")).json
    seen = [c["conversation_id"] for c in first["conversations"]]
    assert seen == [ids[3], ids[2]]
    await api.call("DELETE", f"/conversations/{ids[2]}")  # the row that the cursor names
    await api.conversation()
    rest = (await api.get(f"/conversations?limit=2&cursor={first['next_cursor']}")).json
    assert [c["conversation_id"] for c in rest["conversations"]] == [ids[1], ids[0]]
    assert rest["has_more"] is False


async def test_what_is_made_after_the_first_page_is_on_no_later_one(api: Api):
    ids = [await api.conversation() for _ in range(3)]
    cursor = (await api.get("/conversations?limit=1")).json["next_cursor"]
    for conv_id in ids:
        await api.call("DELETE", f"/conversations/{conv_id}")
    await api.conversation()
    rest = (await api.get(f"/conversations?cursor={cursor}")).json
    assert rest == {"conversations": [], "has_more": False, "next_cursor": None}


async def test_message_appended_after_the_newest_was_seen_is_on_the_next_page(api: Api):
    conv_id = await api.conversation()
    for n in range(3):
        await api.post(f"/conversations/{conv_id}/messages", {"role": "user", "content": str(n)})
    first = (await api.get(f"/conversations/{conv_id}/messages?limit=2")).json
    await api.post(f"/conversations/{conv_id}/messages", {"role": "user", "content": "3"})
    path = f"/conversations/{conv_id}/messages?limit=9&cursor={first['next_cursor']}"
    assert [m["content"] for m in (await api.get(path)).json["messages"]] == ["2", "3"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("cursor=", "cursor"),
        ("cursor=x", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=bWVzc2FnZXM6MQ", "cursor"),  # of a list of messages
        ("cursor=Y29udmVyc2F0aW9uczo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "cursor"),
    ],
)
async def test_wrong_page_is_refused_by_name(api: Api, query: str, param: str):
    reply = await api.get(f"/conversations?{query}")
    assert reply.error == (422, "validation_error", param)


async def test_omitted_is_unchanged_and_null_clears(api: Api):
    conv_id = await api.conversation(title="t", metadata={"a": 1})

    async def after(**body: Any) -> tuple[Any, Any]:
        changed = (await api.call("PATCH", f"/conversations/{conv_id}", body)).json
        kept = (await api.get(f"/conversations/{conv_id}")).json
        assert changed | {"messages": []} == kept
        return changed["title"], changed["metadata"]

    assert await after() == ("t", {"a": 1})
    assert await after(title=None) == (None, {"a": 1})
    assert await after(metadata=None) == (None, None)
    assert await after(metadata={}, title="") == ("", {})


async def test_appending_counts_and_dates_the_conversation(api: Api):
    conv_id = await api.conversation()
    before = (await api.get(f"/conversations/{conv_id}")).json
    await api.post(f"/conversations/{conv_id}/messages", {"role": "system", "content": ""})
    after = (await api.get(f"/conversations/{conv_id}")).json
    assert after["message_count"] == before["message_count"] + 1 == 1
    assert after["created_at"] == before["created_at"] == before["updated_at"]
    assert after["updated_at"] > before["updated_at"]


@pytest.mark.parametrize("filler", ["x", "é", "😀"])
async def test_metadata_of_4096_bytes_is_stored_and_one_more_is_refused(api: Api, filler: str):
    frame = len('{"k":""}')
    width = len(filler.encode())
    fits = {"k": filler * ((4096 - frame) // width)}
    fits["k"] += "y" * (4096 - frame - len(fits["k"].encode()))
    made = await api.post("/conversations", {"metadata": fits})
    assert (made.status, made.json["metadata"]) == (200, fits)
    fits["k"] += "y"
    refused = await api.post("/conversations", {"metadata": fits})
    assert refused.error == (422, "validation_error", "metadata")
    path = f"/conversations/{made.json['conversation_id']}"
    refused = await api.call("PATCH", path, {"metadata": fits})
    assert refused.error == (422, "validation_error", "metadata")


async def test_white_space_does_not_count_as_metadata(api: Api):
    body = b'{"metadata": {' + b" " * 5000 + b'"a": [1.50, 123456789012345678901234567890]}}'
    made = await api.post("/conversations", body)
    assert made.json["metadata"] == {"a": [1.5, 123456789012345678901234567890]}


async def test_what_is_deleted_is_gone_with_its_messages(sandbox: Sandbox, api: Api):
    conv_id = await api.conversation()
    await api.post(f"/conversations/{conv_id}/messages", {"role": "user", "content": "x"})
    assert (await api.call("DELETE", f"/conversations/{conv_id}")).status == 204
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {}),
        ("GET", "/messages", None),
        ("POST", "/messages", {"role": "user", "content": "x"}),
    ):
        reply = await api.call(method, f"/conversations/{conv_id}{path}", body)
        assert reply.error == (404, "not_found", None)

    async def messages(gateway: Gateway) -> int:
        query = "SELECT count(*) FROM messages"
        return await gateway.store.run(lambda db: db.execute(query).fetchone()[0])

    assert sandbox._run(messages) == 0


async def test_another_account_sees_and_changes_nothing(api: Api):
    conv_id = await api.conversation(title="mine")
    other = await api.another()
    assert (await other.get("/conversations")).json["conversations"] == []
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {"title": "theirs"}),
        ("GET", "/messages", None),
        ("POST", "/messages", {"role": "user", "content": "x"}),
    ):
        reply = await other.call(method, f"/conversations/{conv_id}{path}", body)
        assert reply.error == (404, "not_found", None)
    assert (await api.get(f"/conversations/{conv_id}")).json["title"] == "mine"
    assert (await api.get(f"/conversations/{conv_id}")).json["messages"] == []


async def test_many_writers_at_once_lose_nothing(api: Api):
    conv_id = await api.conversation()

    async def write(n: int) -> str:
        path = f"/conversations/{conv_id}/messages"
        return (await api.post(path, {"role": "user", "content": str(n)})).json["message_id"]

    message_ids = await asyncio.gather(*(write(n) for n in range(200)))
    whole = (await api.get(f"/conversations/{conv_id}")).json
    assert whole["message_count"] == 200
    assert len(set(message_ids)) == 200
    assert {m["content"] for m in whole["messages"]} == {str(n) for n in range(200)}
