"""A list is walked to its end: each item once, or an error that says what the gateway did wrong."""

from typing import Any

import pytest

from nexevo_async import AsyncNexevo, InternalServerError, PaginationError
from nexevo_async.testing import Sandbox

LIST = "conversations.list"


def page(*ids: str, **rest: Any) -> dict[str, Any]:
    return {"conversations": [{"conversation_id": i} for i in ids], **rest}


def more(*ids: str, cursor: str | None) -> dict[str, Any]:
    return page(*ids, has_more=True, next_cursor=cursor)


def orders(sandbox: Sandbox, *pages: dict[str, Any]) -> None:
    for body in pages:
        sandbox.faults.add({"status": 200, "body": body}, operation=LIST)


def requests(sandbox: Sandbox) -> int:
    return len([request for request in sandbox.requests if request.operation == LIST])


async def walked(client: AsyncNexevo, into: list[str], **options: Any) -> None:
    async for conv in await client.conversations.list(**options):
        into.append(conv.conversation_id)  # noqa: PERF401 - what came before an error counts


LAST = page("e", has_more=False, next_cursor=None)


@pytest.mark.parametrize(
    "pages",
    [
        [more("a", "b", cursor="x"), more("c", "d", cursor="y"), LAST],
        [more("a", "b", cursor="x"), more(cursor="y"), more("c", "d", cursor="z"), LAST],
        [more(cursor="x"), more("a", "b", "c", "d", cursor="y"), LAST],
        [more("a", "b", "c", "d", "e", cursor="x"), page(has_more=False)],
        [page("a", "b", "c", "d", next_cursor="x"), page("e", next_cursor=None)],
        [page("a", "b", "c", "d", next_cursor="x"), page("e", next_cursor="")],
        [page("a", "b", "c", "d", "e")],
        [page("a", "b", "c", "d", "e", has_more=False, next_cursor="x")],
    ],
    ids=[
        "as the contract says",
        "an empty page in the middle",
        "an empty page first",
        "an empty page last",
        "a cursor alone",
        "an empty cursor",
        "neither",
        "a cursor after the end",
    ],
)
async def test_each_item_comes_once(
    client: AsyncNexevo, sandbox: Sandbox, pages: list[dict[str, Any]]
):
    orders(sandbox, *pages)
    ids: list[str] = []
    await walked(client, ids)
    assert ids == ["a", "b", "c", "d", "e"]
    assert requests(sandbox) == len(pages)


@pytest.mark.parametrize(
    ("cursors", "says"),
    [
        (["x", "x"], r"the cursor 'x' a second time"),
        (["x", "y", "x"], r"the cursor 'x' a second time"),
        ([None], r"there are more pages, and no cursor"),
        (["x", ""], r"there are more pages, and no cursor"),
    ],
    ids=["the same again", "a circle of two", "no way on", "no way on later"],
)
async def test_a_list_that_cannot_be_walked_is_an_error_after_what_came(
    client: AsyncNexevo, sandbox: Sandbox, cursors: list[str | None], says: str
):
    orders(sandbox, *(more(f"c{n}", cursor=cursor) for n, cursor in enumerate(cursors)))
    ids: list[str] = []
    with pytest.raises(PaginationError, match=rf"conversations\.list: the gateway .*{says}") as e:
        await walked(client, ids)
    assert ids == [f"c{n}" for n in range(len(cursors))]
    assert requests(sandbox) == len(cursors)
    assert e.value.cursor == (cursors[-1] or "")


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 30])
async def test_no_request_is_one_too_many(client: AsyncNexevo, sandbox: Sandbox, count: int):
    for n in range(count):
        await client.conversations.create(title=str(n))
    ids: list[str] = []
    await walked(client, ids, limit=10)
    assert len(set(ids)) == len(ids) == count
    assert requests(sandbox) == max(1, -(-count // 10))


async def test_what_comes_and_goes_meanwhile_repeats_and_hides_nothing(
    client: AsyncNexevo, sandbox: Sandbox
):
    made = [(await client.conversations.create()).conversation_id for _ in range(30)][::-1]
    ids: list[str] = []
    async for conv in await client.conversations.list(limit=10):
        ids.append(conv.conversation_id)
        if len(ids) == 5:
            await client.conversations.delete(made[2])  # was given
            await client.conversations.delete(made[9])  # is on the page that was read: the cursor
            await client.conversations.delete(made[15])  # is to come
            await client.conversations.create()  # before all that was given
    assert ids == [conv for n, conv in enumerate(made) if n != 15]
    assert requests(sandbox) == 3


async def test_a_walk_that_broke_off_goes_on_from_its_page(client: AsyncNexevo, sandbox: Sandbox):
    made = [(await client.conversations.create()).conversation_id for _ in range(6)][::-1]
    first = await client.with_options(max_retries=0).conversations.list(limit=3)
    sandbox.faults.add({"status": 500}, operation=LIST)
    with pytest.raises(InternalServerError):
        await first.next_page()
    second = await first.next_page()
    assert second is not None
    again = await client.conversations.list(limit=3, cursor=first.next_cursor)
    assert [conv.conversation_id for conv in again.data] == made[3:]
    assert [conv.conversation_id for conv in second.data] == made[3:]
