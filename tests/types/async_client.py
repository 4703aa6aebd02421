"""What type checkers must see of the async client; checked, never run."""

from decimal import Decimal
from typing import Any, assert_type

from nexevo_async import (
    UNSET,
    AsyncNexevo,
    AsyncPage,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    CompletionUsage,
    Conversation,
    Feedback,
    FeedbackSummary,
    Handler,
    Message,
    Meta,
    ModelInfo,
    Request,
    Response,
    Timeouts,
)


async def client() -> None:
    async with AsyncNexevo("sk-xc-1", timeouts=Timeouts(total=30)) as nexevo:
        assert_type(nexevo, AsyncNexevo)
        assert_type(nexevo.with_options(max_retries=0), AsyncNexevo)
        assert_type(await nexevo.request("GET", "/models"), Response)


async def conversations(nexevo: AsyncNexevo) -> None:
    conv = await nexevo.conversations.create(title="My Session", metadata={"user_id": 1})
    assert_type(conv, Conversation)
    assert_type(conv.conversation_id, str)
    assert_type(conv.title, str | None)
    assert_type(conv.meta, Meta)
    assert_type(conv["title"], Any)
    page = await nexevo.conversations.list(limit=20)
    assert_type(page, AsyncPage[Conversation])
    assert_type(await page.next_page(), AsyncPage[Conversation] | None)
    async for item in page:
        assert_type(item, Conversation)
    assert_type(await nexevo.conversations.get("conv_1"), Conversation)
    assert_type(await nexevo.conversations.update("conv_1", title=None), Conversation)
    assert_type(await nexevo.conversations.update("conv_1", title=UNSET), Conversation)
    assert_type(
        await nexevo.conversations.append_message(
            "conv_1", role="user", content="Hello!", idempotent=True
        ),
        Message,
    )
    assert_type(await nexevo.conversations.list_messages("conv_1"), AsyncPage[Message])
    await nexevo.conversations.delete("conv_1", max_retries=0)


async def chat(nexevo: AsyncNexevo, *, streamed: bool) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    completion = await nexevo.chat.completions.create(
        model="nexevo/balanced", messages=messages, max_price={"total": Decimal(10)}
    )
    assert_type(completion, ChatCompletion)
    assert_type(completion.text, str)
    assert_type(completion.choices[0].message.content, str | None)
    assert_type(completion.usage, CompletionUsage | None)
    stream = await nexevo.chat.completions.create(
        model="nexevo/balanced", messages=[completion.choices[0].message], stream=True
    )
    assert_type(stream, ChatStream)
    async with stream:
        async for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
    assert_type(await stream.final(), ChatCompletion)
    assert_type(
        await nexevo.chat.completions.create(
            model="nexevo/balanced", messages=messages, stream=streamed
        ),
        ChatCompletion | ChatStream,
    )


async def the_rest(nexevo: AsyncNexevo) -> None:
    assert_type(await nexevo.models.list(), AsyncPage[ModelInfo])
    assert_type(await nexevo.feedback.submit(generation_id="gen_1", rating=-1), Feedback)
    assert_type(await nexevo.feedback.summary(days=7), FeedbackSummary)


async def tag(request: Request, call_next: Handler) -> Response:
    return await call_next(request.with_headers({"X-Team": "search"}))


TAGGED = AsyncNexevo(middleware=[tag], attempt_middleware=(tag,))


async def mistakes(nexevo: AsyncNexevo) -> None:
    """Each line must be an error: an ignore that is not needed is one."""
    conv = await nexevo.conversations.get("conv_1")
    _ = conv.titel  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    await nexevo.conversations.append_message("conv_1", role="robot", content="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.feedback.submit(generation_id="gen_1", rating=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.models.list(timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
