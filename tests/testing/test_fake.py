from typing import Any

import pytest

from nexevo_async import (
    APIConnectionError,
    AsyncNexevo,
    ChatCompletionChunk,
    Conversation,
    DecodeError,
    InternalServerError,
    Key,
    RateLimitError,
    RetryPolicy,
)
from nexevo_async.testing import FakeTransport, make, refusal
from nexevo_sync import Nexevo


@pytest.fixture
def fake() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def client(fake: FakeTransport) -> AsyncNexevo:
    quick = RetryPolicy(base_delay=0.01)
    return AsyncNexevo(attempt_middleware=[fake], retry=quick)


async def test_answers_come_one_after_the_other_and_the_last_one_stays(
    fake: FakeTransport, client: AsyncNexevo
):
    fake.answer("conversations.get", *[make(Conversation, title=t) for t in "ab"])
    titles = [(await client.conversations.get("conv_1")).title for _ in range(3)]
    assert titles == ["a", "b", "b"]
    assert [r.path for r in fake.requests] == ["/conversations/conv_1"] * 3


async def test_pages_dicts_and_nothing_are_answers_too(fake: FakeTransport, client: AsyncNexevo):
    first = {"data": [make(Key, key_id="a")], "has_more": True, "next_cursor": "2"}
    fake.answer("keys.list", first, [make(Key, key_id="b")])
    fake.answer("keys.revoke", None)
    fake.answer("request GET", {"free": 1})
    assert [key.key_id async for key in await client.keys.list()] == ["a", "b"]
    assert fake.requests[1].query.endswith("cursor=2")
    await client.keys.revoke("a")
    assert (await client.request("GET", "/free")).json() == {"free": 1}


async def test_a_stream_is_a_list_of_chunks(fake: FakeTransport, client: AsyncNexevo):
    fake.answer(
        "chat.completions.create", [make(ChatCompletionChunk, content=word) for word in ("a", "b")]
    )
    async with await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello!"}], stream=True
    ) as stream:
        assert [chunk.text async for chunk in stream] == ["a", "b"]
        assert (await stream.final()).text == "ab"


async def test_refusals_are_retried_and_raised_as_ever(fake: FakeTransport, client: AsyncNexevo):
    fake.answer("models.list", refusal(503, "internal_error"), [])
    assert (await client.models.list()).meta.attempts == 2
    fake.answer("models.list", refusal(500, "internal_error"))
    with pytest.raises(InternalServerError, match="3 attempts"):
        await client.models.list()
    fake.answer("models.list", refusal(429, "rate_limit_exceeded", "too many", retry_after=90))
    with pytest.raises(RateLimitError, match="too many") as caught:
        await client.models.list()
    assert caught.value.retry_after == 90


async def test_an_exception_is_raised_and_a_wrong_shape_is_a_decode_error(
    fake: FakeTransport, client: AsyncNexevo
):
    lost = APIConnectionError("lost", operation="models.list", method="GET", path="/models")
    fake.answer("models.list", lost)
    with pytest.raises(APIConnectionError, match="lost"):
        await client.models.list(max_retries=0)
    fake.answer("conversations.get", {"conversation_id": 3})
    with pytest.raises(DecodeError):
        await client.conversations.get("conv_1")


@pytest.mark.parametrize(
    ("operation", "answers", "says"),
    [
        ("conversation.get", [None], "no operation 'conversation.get'"),
        ("conversations.get", [], "at least one answer"),
    ],
)
def test_a_mistake_is_named(fake: FakeTransport, operation: str, answers: list[Any], says: str):
    with pytest.raises(ValueError, match=says):
        fake.answer(operation, *answers)


async def test_what_was_not_set_is_named(fake: FakeTransport, client: AsyncNexevo):
    with pytest.raises(LookupError, match=r"models.list: fake.answer\('models.list', …\)"):
        await client.models.list()
    fake.answer("chat.completions.create", make(Conversation))
    with pytest.raises(TypeError, match="a list of chunks"):
        await client.chat.completions.create(model="m", messages=[], stream=True)


def test_the_sync_client_is_answered_too(fake: FakeTransport):
    fake.answer("models.list", [])
    with Nexevo(attempt_middleware=[fake]) as client:
        assert client.models.list().data == []
        assert client.with_options(max_retries=0).models.list().data == []
    assert len(fake.requests) == 2
