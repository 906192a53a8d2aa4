"""Ctrl-C and SIGTERM, told to threads: Python lets the main one alone see them."""

import contextlib
import signal
from collections.abc import Callable, Iterator

_hearers: list[Callable[[int], None]] = []
_came: list[int] = []


def stopping() -> bool:
    """Whether a signal has come, in a `told` that has not ended yet."""
    return bool(_came)


@contextlib.contextmanager
def hears(tell: Callable[[int], None]) -> Iterator[None]:
    """`tell` is called with the number of a signal that comes meanwhile, or has come already. It must not block."""
    _hearers.append(tell)
    for number in tuple(_came):
        tell(number)
    try:
        yield
    finally:
        _hearers.remove(tell)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """In the main thread: tell all that hear of the signals that come meanwhile, each of which takes its course after.

    What runs in threads is waited for inside of this.
    """

    def tell(number: int, _: object) -> None:
        _came.append(number)
        for hearer in tuple(_hearers):
            hearer(number)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        came, _came[:] = _came[:], []
        for number, old in before.items():
            signal.signal(number, old)
        if came:
            signal.raise_signal(came[0])
