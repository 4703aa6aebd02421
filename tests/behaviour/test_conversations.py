import pytest

from nexevo_async import (
    UNSET,
    AsyncNexevo,
    NotFoundError,
    UnprocessableEntityError,
)
from nexevo_async.testing import Sandbox


async def test_a_conversation_lives_from_create_to_delete(client: AsyncNexevo):
    conv = await client.conversations.create("My Session", {"user_id": "u1", "größe": [1, 2.5]})
    assert conv.title == conv["title"] == "My Session"
    assert conv.metadata == {"user_id": "u1", "größe": [1, 2.5]}
    assert conv.meta.status in {200, 201}
    assert conv.meta.attempts == 1
    assert conv.meta.trace_id

    first = await client.conversations.append_message(
        conv.conversation_id, role="user", content="Hello!"
    )
    await client.conversations.append_message(
        conv.conversation_id, role="assistant", content="Hi \N{WAVING HAND SIGN}"
    )
    assert (first.role, first.content) == ("user", "Hello!")

    detail = await client.conversations.get(conv.conversation_id)
    assert [(m.role, m.content) for m in detail.messages or ()] == [
        ("user", "Hello!"),
        ("assistant", "Hi \N{WAVING HAND SIGN}"),
    ]
    page = await client.conversations.list_messages(conv.conversation_id)
    assert [m.content for m in page.data] == ["Hello!", "Hi \N{WAVING HAND SIGN}"]

    assert await client.conversations.delete(conv.conversation_id) is None
    with pytest.raises(NotFoundError):
        await client.conversations.get(conv.conversation_id)


async def test_update_tells_omitted_from_null(client: AsyncNexevo):
    conv = await client.conversations.create(title="Old", metadata={"topic": "a"})
    renamed = await client.conversations.update(conv.conversation_id, title="New")
    assert (renamed.title, renamed.metadata) == ("New", {"topic": "a"})
    cleared = await client.conversations.update(conv.conversation_id, title=None, metadata=UNSET)
    assert (cleared.title, cleared.metadata) == (None, {"topic": "a"})


async def test_a_list_walks_all_pages_newest_first(client: AsyncNexevo, sandbox: Sandbox):
    for number in range(7):
        await client.conversations.create(title=str(number))
    before = len(sandbox.requests)
    page = await client.conversations.list(limit=3)
    assert [conv.title for conv in page.data] == ["6", "5", "4"]
    assert page.has_more
    assert page.next_cursor
    assert page.meta.status == 200
    assert [conv.title async for conv in page] == ["6", "5", "4", "3", "2", "1", "0"]
    assert len(sandbox.requests) - before == 3

    second = await client.conversations.list(limit=3, cursor=page.next_cursor)
    assert [conv.title for conv in second.data] == ["3", "2", "1"]
    last = await second.next_page()
    assert last is not None
    assert [conv.title for conv in last.data] == ["0"]
    assert not last.has_more
    assert await last.next_page() is None


async def test_messages_page_oldest_first(client: AsyncNexevo):
    conv = await client.conversations.create()
    for number in range(5):
        await client.conversations.append_message(
            conv.conversation_id, role="user", content=str(number)
        )
    page = await client.conversations.list_messages(conv.conversation_id, limit=2)
    assert [message.content async for message in page] == ["0", "1", "2", "3", "4"]


async def test_an_unknown_id_is_a_404_that_names_the_call(client: AsyncNexevo):
    with pytest.raises(NotFoundError, match=r"conversations\.get .*GET /conversations/nope") as e:
        await client.conversations.get("nope")
    assert (e.value.status, e.value.code, e.value.attempts) == (404, "not_found", 1)
    assert e.value.trace_id


async def test_what_the_gateway_refuses_is_a_422_that_names_the_field(client: AsyncNexevo):
    with pytest.raises(UnprocessableEntityError) as caught:
        await client.conversations.list(limit=1000)
    assert caught.value.param == "limit"


async def test_a_message_whose_answer_is_lost_is_stored_once(client: AsyncNexevo, sandbox: Sandbox):
    conv = await client.conversations.create()
    operation = "conversations.append_message"
    sandbox.faults.add({"drop": "after"}, operation=operation, times=1)
    message = await client.conversations.append_message(
        conv.conversation_id, role="user", content="Hello!", idempotent=True
    )
    assert message.content == "Hello!"
    keys = [r.idempotency_key for r in sandbox.requests if r.operation == operation]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    detail = await client.conversations.get(conv.conversation_id)
    assert len(detail.messages or ()) == 1
