import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import msgspec

from nexevo_async.sandbox import model, router
from nexevo_async.sandbox.call import Answer, Call, Relay, answer
from nexevo_async.sandbox.catalogue import Choice
from nexevo_async.sandbox.clock import epoch_seconds
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.model import Tokens
from nexevo_async.sandbox.refusal import invalid
from nexevo_async.sandbox.upstream import forwarded
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
    """Have the built-in model answer, or say what the upstream is to answer."""
    extra: OpenAIMembers = checked(call.raw, OpenAIMembers)
    max_tokens = call.body.get("max_tokens") or extra.get("max_completion_tokens")
    if max_tokens is not None and max_tokens > _LONGEST_ANSWER:
        raise invalid("max_tokens", f"An answer has at most {_LONGEST_ANSWER:,} tokens.")
    choice = router.choose(call)
    if call.has_upstream and choice.rivals is None:
        return Answer(relay=Relay(choice, forwarded(call.raw, choice.model)))
    messages: list[dict[str, Any]] = call.body["messages"]
    stop: str | list[str] = call.body.get("stop") or []
    generation = model.generate(
        choice.model,
        messages,
        max_tokens=max_tokens,
        stop=[stop] if isinstance(stop, str) else stop,
    )
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
    }
    return completed(call, choice, completion, Tokens(model.count(messages), generation.tokens))


def completed(call: Call, choice: Choice, completion: Mapping[str, Any], tokens: Tokens) -> Answer:
    """Store a completion, and give the answer that has it."""
    begin(call, choice, tokens)
    counted = {
        "X-Usage-Input-Tokens": str(tokens.input),
        "X-Usage-Output-Tokens": str(tokens.output),
    }
    nexevo = {"generation_id": call.generation_id}
    whole = {**completion, "usage": tokens.as_json(), "nexevo": nexevo}
    return answer(whole, {**counted, **headers(call, choice)})


def headers(call: Call, choice: Choice) -> dict[str, str]:
    """Give the headers that tell of a choice."""
    return {
        "X-Nexevo-Generation-Id": call.generation_id,
        "x-nexevo-model-used": choice.model,
        "x-nexevo-models-tried": ",".join(choice.tried),
    }


def begin(call: Call, choice: Choice, tokens: Tokens) -> None:
    """Store who asked which model."""
    call.db.execute(
        "INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            call.generation_id,
            call.caller.account_id,
            call.caller.key_id,
            choice.model,
            *tokens,
            call.now,
        ),
    )
    router.record(call, call.generation_id, choice)


def wants_usage(raw: Mapping[str, Any]) -> bool:
    """Say whether a stream is to have a chunk for its usage."""
    extra: OpenAIMembers = checked(raw, OpenAIMembers)
    return bool((extra.get("stream_options") or {}).get("include_usage"))


def correct(db: sqlite3.Connection, generation_id: str, tokens: Tokens) -> None:
    """Store how many tokens a stream had, once it has ended."""
    db.execute(
        "UPDATE generations SET input_tokens = ?, output_tokens = ? WHERE generation_id = ?",
        (*tokens, generation_id),
    )
