import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexevo_async.codec.sse import EventTooLargeError, SSEParser

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
END = st.sampled_from(["\n", "\r", "\r\n"])
NOISE = st.one_of(
    st.just(": ping"), st.just("id: 1"), st.just("retry: 5"), st.just("event: x"), st.just("odd")
)


@st.composite
def streams(draw):
    """A stream of events, and the data that they carry by the WHATWG's rules."""
    text, expected = draw(st.sampled_from(["", "\ufeff"])), []
    for lines in draw(st.lists(st.lists(TEXT, max_size=3), max_size=5)):
        for line in lines:
            if draw(st.booleans()):
                text += draw(NOISE) + draw(END)
            text += f"data: {line}" + draw(END)
        text += draw(END)
        if data := "\n".join(lines):
            expected.append(data)
    return text.encode(), expected


@given(streams(), st.data())
def test_however_a_stream_is_cut_its_events_are_the_same(stream, data):
    raw, expected = stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    parser = SSEParser()
    events = [
        event
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)
        for event in parser.feed(raw[start:end])
    ]
    # Between CR and CRLF line ends, "\r" + "\n" of two neighbours reads as one line end.
    assert [e.decode() for e in events] == reference(raw)
    if b"\r" not in raw:
        assert [e.decode() for e in events] == expected


def reference(raw: bytes) -> list[str]:
    """The WHATWG's algorithm, word for word."""
    text = raw.decode().removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    events, data = [], ""
    for line in lines:
        if not line:
            if data:
                events.append(data.removesuffix("\n"))
            data = ""
            continue
        field, _, value = line.partition(":")
        if field == "data":
            data += value.removeprefix(" ") + "\n"
    return [event for event in events if event]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data\n\n", []),
        (b"data:\n\n", []),
        (b"data: \n\n", []),
        (b"data\ndata\n\n", [b"\n"]),
        (b": ping\n\n", []),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\rdata: b\r\n\r\n", [b"a", b"b"]),
        ("data: a\u2028b\x85c\n\n".encode(), ["a\u2028b\x85c".encode()]),
        (b"data: unfinished\n", []),
        (b"database: no\n\n", []),
    ],
)
def test_the_rules(stream, events):
    assert SSEParser().feed(stream) == events


def test_the_cap_holds_for_a_line_and_for_an_event():
    exact = b"data: " + b"x" * 94
    assert SSEParser(100).feed(exact + b"\n\n") == [b"x" * 94]
    with pytest.raises(EventTooLargeError, match="100 bytes"):
        SSEParser(100).feed(exact + b"x\n\n")
    with pytest.raises(EventTooLargeError):
        SSEParser(100).feed(exact + b"x")
    with pytest.raises(EventTooLargeError):
        SSEParser(100).feed(b"data: " + b"x" * 60 + b"\ndata: " + b"x" * 60 + b"\n\n")


def test_what_is_left_at_the_end_can_be_asked_for():
    parser = SSEParser()
    parser.feed(b"data: [DONE]")
    assert parser.rest() == b"[DONE]"
