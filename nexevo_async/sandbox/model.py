"""The built-in language model: no intelligence, no chance, and prose that shows what was asked.

The same model and messages always get the same words. Without ``max_tokens`` the answer is a short
paragraph that ends by itself; with ``max_tokens`` the model goes on for exactly that many tokens.

A token is a word or a punctuation mark, with the white space before it; a longer word is a token
for each eight letters begun.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

_TOKEN: Final = re.compile(r"\s*(?:\w{1,8}|[^\w\s])")
_ECHO_CHARACTERS: Final = 120
_PARAGRAPH_SENTENCES: Final = 2
_SENTENCES: Final = (
    "A request is a question that has learned to travel light.",
    "Whoever reads the error message first often goes home first.",
    "The best retry is the one that never had to happen.",
    "Somewhere a queue is waiting, and it is in no hurry at all.",
    "Small answers arrive early and are seldom misunderstood.",
    "A good name saves a paragraph, and a good test saves a weekend.",
    "Streams teach patience one token at a time.",
    "What is written down once need not be remembered twice.",
    "Every timeout is a promise about how long hope should last.",
    "The map is smaller than the land, which is why we carry maps.",
    "A cache is a memory that has agreed to forget on schedule.",
    "Between two bytes there is always room for a thought.",
    "Simple things stay simple when somebody keeps watch over them.",
    "An idle connection dreams of the next request.",
    "It is easier to count tokens than to make them count.",
    "The shortest path is the one that needs no explanation.",
)


class Generation(NamedTuple):
    """What the model wrote, and why it stopped."""

    text: str
    tokens: int
    finish_reason: Literal["stop", "length"]


class Tokens(NamedTuple):
    """The tokens of a request and of its answer."""

    input: int
    output: int

    def as_json(self) -> dict[str, int]:
        """Give them as OpenAI's ``usage``."""
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
        }


def split(text: str) -> list[str]:
    """Give the tokens of a text that the model wrote; joined, they are the text."""
    return _TOKEN.findall(text)


def count(messages: Sequence[Mapping[str, Any]]) -> int:
    """Give the tokens of a prompt: those of its texts, and one for each part that is no text."""
    return sum(_count(message.get("content")) for message in messages)


def generate(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
) -> Generation:
    """Write the answer to a prompt."""
    sentences = _sentences(model, messages)
    if max_tokens is None:
        text = " ".join(itertools.islice(sentences, 2 + _PARAGRAPH_SENTENCES))
    else:
        text = "".join(itertools.islice(_endless(sentences), max_tokens))
    ends = [at for mark in stop if mark and (at := text.find(mark)) >= 0]
    if ends:
        text = text[: min(ends)].rstrip()
    tokens = len(split(text))
    return Generation(text, tokens, "length" if max_tokens and not ends else "stop")


def _endless(sentences: Iterator[str]) -> Iterator[str]:
    yield from split(next(sentences))
    for sentence in sentences:
        yield from split(" " + sentence)


def _sentences(model: str, messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    said = next((_text(m.get("content")) for m in reversed(messages) if m["role"] == "user"), "")
    said = " ".join(said.split())
    if len(said) > _ECHO_CHARACTERS:
        said = said[:_ECHO_CHARACTERS].rstrip() + "..."
    yield f'You said: "{said}"' if said else "You said nothing yet, and I am listening."
    yield (
        f"I am the sandbox's stand-in for {model}: "
        "ask the same again and you will get the same words."
    )
    seed = hashlib.sha256(json.dumps([model, messages], sort_keys=True).encode()).digest()
    for round_ in itertools.count():
        for byte in seed:
            yield _SENTENCES[(byte + round_) % len(_SENTENCES)]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(text for part in content or () if isinstance(text := part.get("text"), str))


def _count(content: Any) -> int:
    if isinstance(content, str):
        return sum(1 for _ in _TOKEN.finditer(content))
    texts = (part.get("text") for part in content or ())
    return sum(_count(text) if isinstance(text, str) else 1 for text in texts)
