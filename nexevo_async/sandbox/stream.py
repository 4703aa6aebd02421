"""A completion as server-sent events, in OpenAI's form.

The usage comes in the chunk that ends the answer. A request with
``stream_options.include_usage`` gets it in a chunk of its own, with no choices, as from OpenAI:
a reader that did not ask for such a chunk may well index it.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from nexevo_async.sandbox.faults import Fault
from nexevo_async.sandbox.model import split
from nexevo_async.sandbox.refusal import error_body

PING: Final = b": ping\n\n"
_MIB: Final = 1 << 20
_encoder: Final = msgspec.json.Encoder()


class Frame(NamedTuple):
    """An event, and the tokens of the answer that it carries."""

    data: bytes
    tokens: int = 0


DONE: Final = Frame(b"data: [DONE]\n\n")


def frame(obj: Mapping[str, Any], tokens: int = 0) -> Frame:
    """Give an event."""
    return Frame(b"data: " + _encoder.encode(obj) + b"\n\n", tokens)


def frames(completion: Mapping[str, Any], *, include_usage: bool, fault: Fault) -> Iterator[Frame]:
    """Give the events of a completion, and what the fault makes of them."""
    events = _events(completion, include_usage=include_usage, giant_mib=fault.giant_line_mib)
    if fault.no_terminator:
        events = itertools.takewhile(lambda event: event is not DONE, events)
    if fault.error_frame_after is not None:
        error = error_body(502, "The model stopped in the middle of its answer.")
        events = itertools.chain(itertools.islice(events, fault.error_frame_after), [frame(error)])
    return events


def _events(
    completion: Mapping[str, Any], *, include_usage: bool, giant_mib: float | None
) -> Iterator[Frame]:
    head = {name: completion[name] for name in ("id", "object", "created", "model")}
    head["object"] = "chat.completion.chunk"
    usage = {"usage": completion["usage"]}
    (choice,) = completion["choices"]

    def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {
            **head,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }

    yield frame(chunk({"role": "assistant", "content": ""}))
    if giant_mib is not None:
        bare = len(frame(chunk({"content": ""})).data) - len(b"\n\n")
        yield frame(chunk({"content": "x" * (int(giant_mib * _MIB) - bare)}))
    for token in split(choice["message"]["content"]):
        yield frame(chunk({"content": token}), 1)
    end = chunk({}, choice["finish_reason"])
    if include_usage:
        yield frame(end)
        yield frame({**head, "choices": [], **usage})
    else:
        yield frame(end | usage)
    yield DONE
