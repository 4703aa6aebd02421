import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import msgspec

from nexevo_async.sandbox import charges, model, router
from nexevo_async.sandbox.call import Answer, Call, Relay, answer
from nexevo_async.sandbox.catalogue import Choice
from nexevo_async.sandbox.clock import epoch_seconds
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.model import Tokens
from nexevo_async.sandbox.pricing import price_of
from nexevo_async.sandbox.refusal import invalid
from nexevo_async.sandbox.upstream import forwarded
from nexevo_async.sandbox.validation import checked
from nexevo_async.secret import Secret

_LONGEST_ANSWER = 1_000_000
# What is set aside for an upstream's answer that has no limit of its own.
_MOST_OF_UPSTREAM = 4_096


class StreamOptions(TypedDict, total=False):
    """OpenAI's ``stream_options``."""

    include_usage: bool | None


class OwnKey(TypedDict, total=False):
    """The member of ``provider`` that has the provider itself send the bill."""

    api_key: Annotated[str, msgspec.Meta(pattern=r"^[!-~]*\Z")] | None  # it goes into a header


class OpenAIMembers(TypedDict, total=False):
    """What is sent beside the contract's members, where it changes the answer or its price."""

    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None
    stream_options: StreamOptions | None
    provider: OwnKey | None


def create(call: Call) -> Answer:
    """Have the built-in model answer, or say what the upstream is to answer."""
    extra: OpenAIMembers = checked(call.raw, OpenAIMembers)
    max_tokens = call.body.get("max_tokens") or extra.get("max_completion_tokens")
    if max_tokens is not None and max_tokens > _LONGEST_ANSWER:
        raise invalid("max_tokens", f"An answer has at most {_LONGEST_ANSWER:,} tokens.")
    choice = router.choose(call)
    if call.has_upstream and choice.rivals is None:
        body = forwarded(call.raw, choice.model)
        most = max_tokens or _MOST_OF_UPSTREAM
        return Answer(relay=Relay(choice, body, most, _own_key(call.raw)))
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
    reserve(call, choice, max_tokens or generation.tokens)
    return completed(call, choice, completion, Tokens(model.count(messages), generation.tokens))


def reserve(call: Call, choice: Choice, most_output_tokens: int) -> None:
    """Set aside the most that a completion may cost.

    Raises:
        RefusalError: there is no money for it.
    """
    charges.reserve(
        call.db,
        call.caller,
        call.generation_id,
        model=choice.offer.id,
        price=price_of(choice.offer, own_key=_own_key(call.raw) is not None),
        input_tokens=model.count(call.body["messages"]),
        most_output_tokens=most_output_tokens,
        now=call.now,
    )


def completed(call: Call, choice: Choice, completion: Mapping[str, Any], tokens: Tokens) -> Answer:
    """Store a completion and charge for it, and give the answer that has it.

    What is streamed is charged for when it has gone out.
    """
    begin(call, choice, tokens)
    alerts = not call.body.get("stream") and finish(
        call.db, call.generation_id, tokens.output, call.now, tokens.input
    )
    counted = {
        "X-Usage-Input-Tokens": str(tokens.input),
        "X-Usage-Output-Tokens": str(tokens.output),
    }
    nexevo = {"generation_id": call.generation_id}
    whole = {**completion, "usage": tokens.as_json(), "nexevo": nexevo}
    return answer(whole, {**counted, **headers(call, choice)}, alerts=alerts)


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


def finish(
    db: sqlite3.Connection,
    generation_id: str,
    output_tokens: int,
    now: str,
    input_tokens: int | None = None,
) -> bool:
    """Charge for a completion, unless it was, and store how many tokens it had.

    Args:
        db: The database.
        generation_id: The completion.
        output_tokens: Tokens of the answer that went out.
        now: The time.
        input_tokens: Tokens of the request; None is what was counted when it was admitted.

    Returns:
        Whether an alert is due.
    """
    if not charges.is_reserved(db, generation_id):
        return False
    db.execute(
        "UPDATE generations SET input_tokens = coalesce(?, input_tokens), output_tokens = ?"
        " WHERE generation_id = ?",
        (input_tokens, output_tokens, generation_id),
    )
    return charges.settle(db, generation_id, output_tokens, input_tokens=input_tokens, now=now)


def wants_usage(raw: Mapping[str, Any]) -> bool:
    """Say whether a stream is to have a chunk for its usage."""
    extra: OpenAIMembers = checked(raw, OpenAIMembers)
    return bool((extra.get("stream_options") or {}).get("include_usage"))


def _own_key(raw: Mapping[str, Any]) -> Secret | None:
    """Give the caller's own key of the provider, if the request came with one."""
    extra: OpenAIMembers = checked(raw, OpenAIMembers)
    key = (extra.get("provider") or {}).get("api_key")
    return Secret(key) if key else None
