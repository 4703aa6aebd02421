from pathlib import Path

import pytest
from own_interpreter import PEAK_MIB, printed_by

from nexevo_async.testing import Sandbox

CAP_MIB = 64

SCRIPT = """
import asyncio, json, sys
from nexevo_async import AsyncNexevo, StreamError
from nexevo_sync import Nexevo

which, base_url, api_key, mib = sys.argv[1:]
call = {
    "model": "nexevo/fast",
    "messages": [{"role": "user", "content": "Hello!"}],
    "stream": True,
}
giant = {"extra_headers": {"X-Sandbox-Fault": json.dumps({"giant_line_mib": float(mib)})}}

def told(before, largest, problem):
    print(json.dumps([(peak_mib() - before), largest, problem]))

async def main():
    async with AsyncNexevo(api_key, base_url=base_url) as client:
        await (await client.chat.completions.create(**call)).final()
        before, largest, problem = peak_mib(), 0, ""
        try:
            async for chunk in await client.chat.completions.create(**call, **giant):
                largest = max(largest, len(chunk.text))
        except StreamError as error:
            problem = str(error)
        told(before, largest, problem)

def main_sync():
    with Nexevo(api_key, base_url=base_url) as client:
        client.chat.completions.create(**call).final()
        before, largest, problem = peak_mib(), 0, ""
        try:
            for chunk in client.chat.completions.create(**call, **giant):
                largest = max(largest, len(chunk.text))
        except StreamError as error:
            problem = str(error)
        told(before, largest, problem)

asyncio.run(main()) if which == "async" else main_sync()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("which", ["async", "sync"])
@pytest.mark.parametrize(("more_bytes", "arrives"), [(0, True), (1, False)])
def test_a_line_may_have_64_mib_and_costs_less_than_three_times_that(
    sandbox: Sandbox, which: str, more_bytes: int, arrives: bool
) -> None:
    mib = CAP_MIB + more_bytes / 2**20
    peak, largest, problem = printed_by(
        PEAK_MIB + SCRIPT, which, sandbox.base_url, sandbox.api_key, repr(mib)
    )
    assert peak < 3 * CAP_MIB
    assert (largest > (CAP_MIB - 1) * 2**20) is arrives
    assert ("over the cap of 67,108,864 bytes" in problem) is not arrives
