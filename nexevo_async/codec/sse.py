"""Server-sent events by the WHATWG's rules, on bytes, however the bytes are cut."""

from typing import Final

MAX_EVENT: Final = 64 * 1024 * 1024
"""Bytes that one line, or the data of one event, may have."""


class EventTooLargeError(ValueError):
    """A line, or an event, is over the cap.

    Attributes:
        before: The data of the events that ended before it in the same chunk.
    """

    before: tuple[bytes, ...] = ()


class SSEParser:
    """Gives the data of each event; comments, ids, names and empty events give nothing."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._line = bytearray()  # that has not ended; of a giant, pieces would leave holes
        self._data: list[bytes] = []
        self._data_size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the data of the events that end in this chunk.

        Raises:
            EventTooLargeError: a line or an event is over the cap.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            if self._line:
                self._line += lines[0]
                lines[0] = bytes(self._line)
                self._line.clear()
            events = self._dispatched(lines)
        else:
            events = []
        if rest:
            self._line += rest
            self._hold_to_cap(len(self._line), events)
        return events

    def rest(self) -> bytes:
        """Give the data of the event that was under way when the stream ended."""
        return b"\n".join([*self._data, *_data_of(bytes(self._line))])

    def _dispatched(self, lines: list[bytes]) -> list[bytes]:
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        events: list[bytes] = []
        for line in lines:
            if line:
                self._hold_to_cap(len(line), events)
                for data in _data_of(line):
                    self._data.append(data)
                    self._data_size += len(data)
                    self._hold_to_cap(self._data_size, events)
            elif self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data.clear()
                self._data_size = 0
                if data:
                    events.append(data)
        return events

    def _hold_to_cap(self, size: int, before: list[bytes]) -> None:
        if size > self._max_event:
            error = EventTooLargeError(f"an event is over the cap of {self._max_event:,} bytes")
            error.before = tuple(before)
            raise error


def _data_of(line: bytes) -> tuple[bytes, ...]:
    if line.startswith(b"data:"):
        return (line[6:] if line.startswith(b"data: ") else line[5:],)
    return (b"",) if line == b"data" else ()
