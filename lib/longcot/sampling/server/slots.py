"""How many requests are in flight at once, over all that ask the same servers, and where."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from longcot.sampling.server.open_files import connections


class Slots:
    """`count` slots for those that ask side by side, each in a thread of its own; who joined first comes first.

    So an arm that waits for its longest responses leaves the servers to those after it, and all but the last end long
    before everything does. Fewer than `count` where this process may not have so many connections.
    """

    def __init__(self, count: int):
        self._lock, self._free, self._joined = threading.Lock(), min(count, connections()), 0
        self._waiting: dict[int, Callable[[], None]] = {}  # how to wake each that was refused one
        self._asked: Counter[str] = Counter()  # responses, by the server's URL

    def join(self) -> int:
        """A place in the order."""
        with self._lock:
            self._joined += 1
            return self._joined

    def take(self, place: int, wake: Callable[[], None]) -> bool:
        """Take a slot. False where none is left for this place: then `wake` is called, in any thread, once one is."""
        with self._lock:
            if not self._free or min(self._waiting, default=place) < place:
                self._waiting[place] = wake
                return False
            self._free -= 1
            self._waiting.pop(place, None)
            self._wake_next()
            return True

    def give(self) -> None:
        """Give a slot back."""
        with self._lock:
            self._free += 1
            self._wake_next()

    def leave(self, place: int) -> None:
        """Wait no more."""
        with self._lock:
            self._waiting.pop(place, None)
            self._wake_next()

    @contextmanager
    def asking(self, url: str, responses: int) -> Iterator[None]:
        """While it lasts, a server is asked for so many responses."""
        with self._lock:
            self._asked[url] += responses
        try:
            yield
        finally:
            with self._lock:
                self._asked[url] -= responses

    def asked(self, url: str) -> int:
        """How many responses a server is asked for now, by all. An arm's own count would not do: a server that is ahead
        with one arm's requests would get no more of the next one's, and run dry before the others.
        """
        return self._asked[url]

    def _wake_next(self) -> None:
        if self._free and self._waiting:
            self._waiting[min(self._waiting)]()
