from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which our code blocks the event loop."""
    with blockbuster_ctx("nexevo_async") as blocking:
        yield blocking
