"""As one writes it with ``asyncio_mode = auto``."""

from support_desk import answer

from nexevo_async import AsyncNexevo, ChatCompletionChunk
from nexevo_async.testing import FakeTransport, Sandbox, make


async def test_an_answer(async_nexevo_client: AsyncNexevo, nexevo_sandbox: Sandbox) -> None:
    assert await answer(async_nexevo_client, "Hello!")
    assert len(nexevo_sandbox.requests) == 1


async def test_a_stream_that_is_left(async_nexevo_client: AsyncNexevo) -> None:
    stream = await async_nexevo_client.chat.completions.create(
        model="nexevo/fast", messages=[{"role": "user", "content": "Hello!"}], stream=True
    )
    assert await anext(stream)


async def test_without_a_socket() -> None:
    fake = FakeTransport()
    words = [make(ChatCompletionChunk, content=word) for word in ("Hel", "lo!")]
    fake.answer("chat.completions.create", words)
    assert await answer(AsyncNexevo(attempt_middleware=[fake]), "Hello!") == "Hello!"
