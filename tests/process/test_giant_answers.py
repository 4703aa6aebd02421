import asyncio
import zlib
from pathlib import Path

import pytest
from own_interpreter import PEAK_MIB, printed_by
from raw_server import Answer, serving

CAP_MIB = 256

SCRIPT = """
import asyncio, json, sys
from nexevo_async import AsyncNexevo, NexevoError
from nexevo_sync import Nexevo

which, base_url, stream = sys.argv[1:]
call = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream == "stream"}

async def main():
    async with AsyncNexevo("k", base_url=base_url) as client:
        try:
            await client.chat.completions.create(**call)
        except NexevoError as error:
            return [type(error).__name__, str(error), client.seats.in_use]

def main_sync():
    with Nexevo("k", base_url=base_url) as client:
        try:
            client.chat.completions.create(**call)
        except NexevoError as error:
            return [type(error).__name__, str(error), client.seats.in_use]

before = peak_mib()
told = asyncio.run(main()) if which == "async" else main_sync()
print(json.dumps([peak_mib() - before, *told]))
"""


def bomb(gib: int) -> Answer:
    """A few hundred KB that unzip to so much."""
    zipping = zlib.compressobj(9, wbits=31)
    head = zipping.compress(b" ") + zipping.flush(zlib.Z_FULL_FLUSH)
    mib = zipping.compress(b" " * 2**20) + zipping.flush(zlib.Z_FULL_FLUSH)

    async def answer(writer: asyncio.StreamWriter) -> None:
        length = len(head) + gib * 1024 * len(mib)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n" % length + head
        )
        for _ in range(gib * 1024):
            writer.write(mib)
            await writer.drain()

    return answer


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("which", ["async", "sync"])
@pytest.mark.parametrize("kind", ["plain", "stream"])
async def test_an_answer_that_unzips_to_any_size_is_read_to_256_mib_and_no_further(which, kind):
    async with serving(bomb(gib=2)) as server:
        grown, error, said, seats = await asyncio.to_thread(
            printed_by, PEAK_MIB + SCRIPT, which, server.base_url, kind
        )
        assert error == "DecodeError"
        assert f"answered with 200, but the body is larger than {CAP_MIB} MiB. " in said
        assert seats == 0
        assert CAP_MIB <= grown < 1.4 * CAP_MIB
        await server.until(lambda: server.open == 0)
