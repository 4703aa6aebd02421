"""Work that blocks, off the event loop."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread of its own, and give what it gives.

    A thread of asyncio's keeps the program from ending until its work is done, such as a DNS
    look-up that nobody answers, and none can be had in an exit handler: there the work is done
    on the spot where no thread starts.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[Any], None], outcome: object) -> None:
        def settle_unless_cancelled() -> None:
            if not done.done():
                settle(outcome)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle_unless_cancelled)

    def run() -> None:
        try:
            answer = context.run(work)
        except BaseException as error:  # noqa: BLE001 - whoever waits is to have it
            tell(done.set_exception, error)
        else:
            tell(done.set_result, answer)

    try:
        threading.Thread(target=run, name="nexevo-worker", daemon=True).start()
    except RuntimeError:  # the interpreter is exiting
        return work()
    return await done
