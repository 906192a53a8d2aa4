"""Several arms at once, each in a thread: while one waits for its longest responses, the others keep an engine busy."""

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
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
    with told(), _seldom_collected(), ThreadPoolExecutor(at_once) as threads:
        futures = [threads.submit(lambda item: None if stopping() else work(item), item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            future.cancel()
    if error := next((found for one in futures if not one.cancelled() and (found := one.exception())), None):
        raise error
    return [future.result() for future in futures]


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Have Python look for circles of garbage more seldom for a while.

    Thousands of requests in flight are millions of objects, hardly any of them garbage: to look through them again and
    again took 40% of the time until 4,096 were asked (tests/benchmarks/README.md).
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
