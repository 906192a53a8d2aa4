"""A coroutine in an event loop of its own thread, read from as a plain iterator.

A notebook's kernel runs an event loop in its main thread already, and a notebook's cell must stay plain code.
"""

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from longcot.sampling.stopping import hears

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    error: BaseException | None


@dataclass(frozen=True)
class _Signal:
    number: int


def in_background(work: Callable[[Callable[[T], None]], Awaitable[None]]) -> Iterator[list[T]]:
    """Run `work(give)` in a thread of its own and yield what it gives, as it comes, a list at a time.

    Nothing that was given is lost: Ctrl-C and SIGTERM cancel the work and wait until everything given has been taken,
    and only then take their course (a KeyboardInterrupt, the end of the process). An error of the work is raised here
    in the end. Left early, the work is cancelled. Signals are seen where this is called in the main thread; in another
    one `stopping` tells of them, and KeyboardInterrupt is raised in the end.
    """
    arrivals: queue.SimpleQueue[Any] = queue.SimpleQueue()  # its put may be called in a signal's handler
    started, running = threading.Event(), {}

    async def body() -> None:
        running.update(loop=asyncio.get_running_loop(), task=asyncio.current_task())
        started.set()
        await work(arrivals.put)

    def run() -> None:
        error: BaseException | None = None
        try:
            asyncio.run(body())
        except asyncio.CancelledError:
            pass
        except BaseException as found:
            error = found
        started.set()
        arrivals.put(_End(error))

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            running["loop"].call_soon_threadsafe(running["task"].cancel)

    thread = threading.Thread(target=run, name="sampling", daemon=True)
    end, stopped = None, None
    with _signals(arrivals):
        thread.start()
        started.wait()
        try:
            while end is None:
                arrived = [arrivals.get()]
                with contextlib.suppress(queue.Empty):
                    while True:
                        arrived.append(arrivals.get_nowait())
                for one in arrived:
                    if isinstance(one, _End):
                        end = one
                    elif isinstance(one, _Signal):
                        stopped = one
                        cancel()
                if given := [one for one in arrived if not isinstance(one, _End | _Signal)]:
                    yield given
        finally:
            cancel()
            thread.join()
    if stopped and _in_main():
        signal.raise_signal(stopped.number)
    if stopped:
        raise KeyboardInterrupt
    if end.error:
        raise end.error


def _in_main() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _signals(arrivals: queue.SimpleQueue) -> Iterator[None]:
    """Put Ctrl-C and SIGTERM among the arrivals for a while."""
    if not _in_main():
        with hears(lambda number: arrivals.put(_Signal(number))):
            yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: arrivals.put(_Signal(number))) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
