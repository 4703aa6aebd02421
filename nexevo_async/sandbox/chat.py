import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import msgspec

from nexevo_async.sandbox import model, router
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.clock import epoch_seconds
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.refusal import invalid
from nexevo_async.sandbox.validation import checked

_LONGEST_ANSWER = 1_000_000


class StreamOptions(TypedDict, total=False):
    """OpenAI's ``stream_options``."""

    include_usage: bool | None


class OpenAIMembers(TypedDict, total=False):
    """What OpenAI's own clients send beside the contract's members, where it changes the answer."""

    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None
    stream_options: StreamOptions | None


def create(call: Call) -> Answer:
    """Have the built-in model answer, and remember who asked it."""
    extra: OpenAIMembers = checked(call.raw, OpenAIMembers)
    max_tokens = call.body.get("max_tokens") or extra.get("max_completion_tokens")
    if max_tokens is not None and max_tokens > _LONGEST_ANSWER:
        raise invalid("max_tokens", f"An answer has at most {_LONGEST_ANSWER:,} tokens.")
    choice = router.choose(call)
    messages: list[dict[str, Any]] = call.body["messages"]
    stop: str | list[str] = call.body.get("stop") or []
    generation = model.generate(
        choice.model,
        messages,
        max_tokens=max_tokens,
        stop=[stop] if isinstance(stop, str) else stop,
    )
    input_tokens = model.count(messages)
    generation_id = new_id("gen_")
    call.db.execute(
        "INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            generation_id,
            call.caller.account_id,
            call.caller.key_id,
            choice.model,
            input_tokens,
            generation.tokens,
            call.now,
        ),
    )
    router.record(call, generation_id, choice)
    headers = {
        "X-Usage-Input-Tokens": str(input_tokens),
        "X-Usage-Output-Tokens": str(generation.tokens),
        "X-Nexevo-Generation-Id": generation_id,
        "x-nexevo-model-used": choice.model,
        "x-nexevo-models-tried": ",".join(choice.tried),
    }
    completion = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": epoch_seconds(call.now),
        "model": choice.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": generation.text},
                "finish_reason": generation.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": generation.tokens,
            "total_tokens": input_tokens + generation.tokens,
        },
        "nexevo": {"generation_id": generation_id},
    }
    return answer(completion, headers)


def wants_usage(raw: Mapping[str, Any]) -> bool:
    """Say whether a stream is to have a chunk for its usage."""
    extra: OpenAIMembers = checked(raw, OpenAIMembers)
    return bool((extra.get("stream_options") or {}).get("include_usage"))


def correct_output(db: sqlite3.Connection, generation_id: str, output_tokens: int) -> None:
    """Store how many tokens went out before the caller left."""
    db.execute(
        "UPDATE generations SET output_tokens = ? WHERE generation_id = ?",
        (output_tokens, generation_id),
    )
