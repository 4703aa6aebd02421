"""What type checkers must see of the sync client; checked, never run."""

from decimal import Decimal
from typing import Any, assert_type

from nexevo_sync import (
    UNSET,
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
    Nexevo,
    Page,
    Request,
    Response,
    Timeouts,
)


def client() -> None:
    with Nexevo("sk-xc-1", timeouts=Timeouts(total=30)) as nexevo:
        assert_type(nexevo, Nexevo)
        assert_type(nexevo.with_options(max_retries=0), Nexevo)
        assert_type(nexevo.request("GET", "/models"), Response)


def conversations(nexevo: Nexevo) -> None:
    conv = nexevo.conversations.create(title="My Session", metadata={"user_id": 1})
    assert_type(conv, Conversation)
    assert_type(conv.conversation_id, str)
    assert_type(conv.title, str | None)
    assert_type(conv.meta, Meta)
    assert_type(conv["title"], Any)
    page = nexevo.conversations.list(limit=20)
    assert_type(page, Page[Conversation])
    assert_type(page.next_page(), Page[Conversation] | None)
    for item in page:
        assert_type(item, Conversation)
    assert_type(nexevo.conversations.get("conv_1"), Conversation)
    assert_type(nexevo.conversations.update("conv_1", title=None), Conversation)
    assert_type(nexevo.conversations.update("conv_1", title=UNSET), Conversation)
    assert_type(
        nexevo.conversations.append_message(
            "conv_1", role="user", content="Hello!", idempotent=True
        ),
        Message,
    )
    assert_type(nexevo.conversations.list_messages("conv_1"), Page[Message])
    nexevo.conversations.delete("conv_1", max_retries=0)


def chat(nexevo: Nexevo, *, streamed: bool) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    completion = nexevo.chat.completions.create(
        model="nexevo/balanced", messages=messages, max_price={"total": Decimal(10)}
    )
    assert_type(completion, ChatCompletion)
    assert_type(completion.text, str)
    assert_type(completion.choices[0].message.content, str | None)
    assert_type(completion.usage, CompletionUsage | None)
    stream = nexevo.chat.completions.create(
        model="nexevo/balanced", messages=[completion.choices[0].message], stream=True
    )
    assert_type(stream, ChatStream)
    with stream:
        for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
    assert_type(stream.final(), ChatCompletion)
    assert_type(
        nexevo.chat.completions.create(model="nexevo/balanced", messages=messages, stream=streamed),
        ChatCompletion | ChatStream,
    )


def the_rest(nexevo: Nexevo) -> None:
    assert_type(nexevo.models.list(), Page[ModelInfo])
    assert_type(nexevo.feedback.submit(generation_id="gen_1", rating=-1), Feedback)
    assert_type(nexevo.feedback.summary(days=7), FeedbackSummary)


async def tag(request: Request, call_next: Handler) -> Response:
    return await call_next(request.with_headers({"X-Team": "search"}))


TAGGED = Nexevo(middleware=[tag], attempt_middleware=(tag,))


def mistakes(nexevo: Nexevo) -> None:
    """Each line must be an error: an ignore that is not needed is one."""
    conv = nexevo.conversations.get("conv_1")
    _ = conv.titel  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    nexevo.conversations.append_message("conv_1", role="robot", content="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.feedback.submit(generation_id="gen_1", rating=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.models.list(timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
