import pytest

from nexevo_async import (
    AsyncNexevo,
    ChatCompletion,
    RateLimitError,
    StreamError,
    StreamTruncatedError,
    UpstreamError,
)
from nexevo_async.testing import Sandbox

MESSAGES = [{"role": "user", "content": "Hello!"}]
CREATE = "chat.completions.create"


async def test_a_completion(client: AsyncNexevo):
    resp = await client.chat.completions.create(
        model="nexevo/balanced", messages=MESSAGES, max_tokens=20, max_price={"total": "100"}
    )
    assert isinstance(resp, ChatCompletion)
    message = resp.choices[0].message
    assert message is not None
    assert message.role == "assistant"
    assert "Hello!" in (message.content or "")
    assert resp["nexevo"]["generation_id"] == resp.meta.generation_id
    assert resp.usage is not None
    assert resp.usage.completion_tokens == resp.meta.usage.output_tokens == 20
    assert resp.meta.model_used == resp.model
    again = await client.chat.completions.create(
        model=resp.model or "", messages=[*MESSAGES, message, *MESSAGES]
    )
    assert again.choices[0].finish_reason == "stop"


async def test_a_stream_says_the_same_as_a_plain_completion(client: AsyncNexevo):
    plain = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    assert stream.text == ""
    assert stream.usage is None
    text = ""
    async with stream:
        async for chunk in stream:
            text += chunk.text
            assert stream.text == text
    whole = await stream.final()
    assert plain.choices[0].message is not None
    assert text == plain.choices[0].message.content
    assert whole.choices == plain.choices
    assert whole.usage == plain.usage == stream.usage
    assert whole["nexevo"]["generation_id"] == stream.meta.generation_id
    assert whole.meta.trace_id == stream.meta.trace_id


async def test_final_reads_the_whole_stream(client: AsyncNexevo):
    stream = await client.chat.completions.create(
        model="nexevo/fast", messages=MESSAGES, stream=True
    )
    whole = await stream.final()
    assert whole.choices[0].finish_reason == "stop"
    assert (await stream.final()).to_dict() == whole.to_dict()
    assert [chunk async for chunk in stream] == []


async def test_a_stream_without_its_terminator_is_not_whole(client: AsyncNexevo, sandbox: Sandbox):
    sandbox.faults.add({"no_terminator": True}, operation=CREATE)
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with pytest.raises(StreamTruncatedError) as caught:
        await stream.final()
    assert caught.value.partial == stream.text != ""
    with pytest.raises(StreamTruncatedError):
        _ = [chunk async for chunk in stream]


async def test_a_stream_that_is_cut_off_gives_what_came(client: AsyncNexevo, sandbox: Sandbox):
    sandbox.faults.add({"cut_at": 1500, "chunk_delay_s": 0.01}, operation=CREATE)
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with pytest.raises(StreamTruncatedError) as caught:
        await stream.final()
    assert caught.value.partial == stream.text != ""


async def test_an_error_in_a_stream_is_typed(client: AsyncNexevo, sandbox: Sandbox):
    sandbox.faults.add({"error_frame_after": 3}, operation=CREATE)
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with pytest.raises(UpstreamError) as caught:
        await stream.final()
    assert caught.value.partial == stream.text


async def test_a_stream_that_was_closed_gives_no_more(client: AsyncNexevo, sandbox: Sandbox):
    sandbox.faults.add({"chunk_delay_s": 0.02}, operation=CREATE)
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    async with stream:
        async for chunk in stream:
            if chunk.text:
                break
    with pytest.raises(StreamError, match="closed before its end") as caught:
        await stream.final()
    assert caught.value.partial == stream.text


async def test_ten_mebibytes_in_one_line_arrive(client: AsyncNexevo, sandbox: Sandbox):
    sandbox.faults.add({"giant_line_mib": 10}, operation=CREATE)
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    whole = await stream.final()
    assert whole.choices[0].message is not None
    assert len(whole.choices[0].message.content or "") > 9 * 2**20


async def test_a_refused_stream_raises_from_the_call(client: AsyncNexevo, sandbox: Sandbox):
    sandbox.faults.add({"status": 429, "headers": {"Retry-After": "0"}}, operation=CREATE, times=9)
    with pytest.raises(RateLimitError):
        await client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, max_retries=1
        )
    assert len(sandbox.requests) == 2


async def test_models(client: AsyncNexevo):
    page = await client.models.list()
    assert "gpt-4o" in [model.id for model in page.data]
    assert page.data == [model async for model in page]


async def test_feedback_is_counted(client: AsyncNexevo):
    for rating in (1, 1, -1):
        resp = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        feedback = await client.feedback.submit(
            generation_id=resp["nexevo"]["generation_id"],
            rating=rating,
            comment="Helpful!",
            tags=["accurate"],
        )
        assert (feedback.rating, feedback.comment, feedback.tags) == (
            rating,
            "Helpful!",
            ["accurate"],
        )
    summary = await client.feedback.summary(days=7)
    assert (summary.days, summary.total, summary.positive, summary.negative) == (7, 3, 2, 1)
    assert list(summary.by_model or ()) == ["gpt-4o"]
    assert list(summary.by_tag or ()) == ["accurate"]
