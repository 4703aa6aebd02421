"""Work that blocks, off the event loop."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], seats: asyncio.Semaphore | None = None) -> T:
    """Do work in a thread of its own, and give what it gives.

    A thread of asyncio's keeps the program from ending until its work is done, such as a DNS
    look-up that nobody answers, and none can be had in an exit handler: there the work is done
    on the spot where no thread starts.

    Args:
        work: What to do.
        seats: Waited for before; the work keeps its seat until it is done, also when nobody
            waits for it any more.
    """
    if seats is not None:
        await seats.acquire()
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    outcome: Future[T] = Future()  # takes every error, which one of asyncio's doesn't
    context = contextvars.copy_context()

    def settle() -> None:
        if seats is not None:
            seats.release()
        if not done.done():
            done.set_result(None)

    def run() -> None:
        try:
            outcome.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - whoever waits is to have it
            outcome.set_exception(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle)

    try:
        threading.Thread(target=run, name="nexevo-worker", daemon=True).start()
    except RuntimeError:  # the interpreter is exiting
        run()
    await done
    return outcome.result()
