"""Several arms at once, each in a thread: while one waits for its longest responses, the others keep an engine busy."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from longcot.sampling.stopping import stopping, told

T, R = TypeVar("T"), TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Sequence[T], at_once: int) -> list[R]:
    """`work` on each item, at most `at_once` at a time, begun in their order. For the main thread.

    The first error is raised when those under way have ended; none is begun after it. Ctrl-C and SIGTERM stop the
    sampling of all, which keeps what has come, before they take their course.
    """
    if min(at_once, len(items)) < 2:
        return [work(item) for item in items]
    with told(), ThreadPoolExecutor(at_once) as threads:
        futures = [threads.submit(lambda item: None if stopping() else work(item), item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            future.cancel()
    if error := next((found for one in futures if not one.cancelled() and (found := one.exception())), None):
        raise error
    return [future.result() for future in futures]
