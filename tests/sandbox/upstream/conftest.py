from collections.abc import AsyncIterator, Iterator

import pytest
from sandbox_support import Api, api_of
from upstream_support import KEY, Pair

from nexevo_async.testing import Sandbox


@pytest.fixture(scope="module")
def running_pair() -> Iterator[Pair]:
    with Sandbox(api_key=f"{KEY}-1") as behind:
        with Sandbox(upstream=behind.base_url, upstream_key=behind.api_key) as sandbox:
            yield Pair(sandbox, behind)


@pytest.fixture
def pair(running_pair: Pair) -> Pair:
    for sandbox in running_pair:
        sandbox.reset()
    return running_pair


@pytest.fixture
async def api(pair: Pair) -> AsyncIterator[Api]:
    async with api_of(pair.sandbox) as api:
        yield api
