import json
from typing import Any

import pytest

from nexevo_async import AsyncNexevo, Headers, Response, StreamTruncatedError
from nexevo_async.byte_stream import ByteStream

TEXTS = [f"{n} ü€😀 " for n in range(20)]
FRAMES = [
    f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n".encode()
    for text in TEXTS
]
WHOLE = b"".join([*FRAMES, b"data: [DONE]"])


def answering(*pieces: bytes) -> Any:
    """Give a middleware that answers a stream of these pieces in the gateway's place."""

    async def answer(request: Any, call_next: Any) -> Response:
        left = iter([*pieces, b""])

        async def read() -> bytes:
            return next(left)

        async def finish() -> None:
            pass

        stream = ByteStream(read, finish, lambda: None)
        return Response(status=200, headers=Headers(), stream=stream)

    return answer


async def streamed(*pieces: bytes) -> Any:
    client = AsyncNexevo("k", middleware=[answering(*pieces)])
    return await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello!"}], stream=True
    )


async def test_a_cut_at_any_byte_is_never_a_normal_end() -> None:
    ends = [len(b"".join(FRAMES[: n + 1])) for n in range(len(FRAMES))]
    for cut in range(len(WHOLE)):
        stream = await streamed(WHOLE[: cut // 2], WHOLE[cut // 2 : cut])
        with pytest.raises(StreamTruncatedError) as caught:
            await stream.final()
        came = sum(end <= cut for end in ends)
        assert caught.value.partial == stream.text == "".join(TEXTS[:came])


async def test_the_whole_is_whole() -> None:
    assert (await (await streamed(WHOLE)).final()).text == "".join(TEXTS)
