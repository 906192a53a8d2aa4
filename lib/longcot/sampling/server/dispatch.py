"""The asking of many requests: work goes to whichever server is free, and a fault is tried again, elsewhere first."""

import asyncio
import functools
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from longcot.files.errors import BadInput
from longcot.sampling.requests import EMPTY, SAMPLES_A_REQUEST, Completion, Messages, Request
from longcot.sampling.server.dialect import Prompt
from longcot.sampling.server.endpoint import Endpoint
from longcot.sampling.server.refusal import Fault
from longcot.sampling.server.slots import Slots

LOG = logging.getLogger(__name__)
IN_VAIN = 10  # requests given up in a row: no more are begun
LONGEST_BACKOFF_S = 60.0

Ask = Callable[[Endpoint, Prompt, Sequence[Request]], Awaitable[list[Completion]]]


class NoServer(BadInput):
    """No server is at any of the URLs."""


class Dispatch:
    """Asks all of `requests`, as many at a time as it gets `slots` for, each tried `retries` times more.

    `endpoints` makes the servers; `render` makes a prompt of messages; `ask` asks one server for the responses to one
    or more requests of one prompt. `last_fault` says what happened last to a request that was given up.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        endpoints: Callable[[], list[Endpoint]],
        render: Callable[[Messages], Prompt],
        ask: Ask,
        *,
        slots: Slots,
        retries: int,
        backoff_s: float,
    ):
        self._make_endpoints, self._ask = endpoints, ask
        self.slots, self.retries, self.backoff_s = slots, retries, backoff_s
        self.last_fault, self._in_vain, self._in_flight = "", 0, 0
        self._empty: list[Request] = []  # of which the server has lost the text each time
        self._groups: deque[Sequence[Request]] = deque()
        for request in requests:
            last = self._groups[-1] if self._groups else []
            if last and last[0].messages is request.messages and len(last) < SAMPLES_A_REQUEST:
                last.append(request)
            else:
                self._groups.append([request])
        messages = {id(request.messages): request.messages for request in requests}
        # The groups of one problem follow each other; prompts of long traces are too large to be kept all.
        self._prompt = functools.lru_cache(maxsize=64)(lambda key: render(messages[key]))

    async def run(self, give: Callable[[tuple[Request, Completion]], None]) -> None:
        """Give each request with its response, until all are answered or given up.

        One that has no text after the last try gets the mark "empty", unless a server has just stopped to give any.
        Raises BadInput at once where no server is there at the start, or where one says what the user must fix.
        """
        self.endpoints = self._make_endpoints()
        self._give = give
        try:
            await self._prepare()
            async with asyncio.TaskGroup() as tasks:
                await self._begin_all(tasks)
            if self._in_vain < IN_VAIN:
                self._give_empty()
        except BaseExceptionGroup as found:
            raise found.exceptions[0] from None
        finally:
            await asyncio.gather(*(endpoint.close() for endpoint in self.endpoints))

    async def _prepare(self) -> None:
        found = await asyncio.gather(*(endpoint.prepare() for endpoint in self.endpoints), return_exceptions=True)
        for endpoint, error in zip(self.endpoints, found, strict=True):
            if isinstance(error, Fault):
                endpoint.rest_until = time.monotonic() + self.backoff_s
            elif error:
                raise error
        faults = [error for error in found if isinstance(error, Fault)]
        if len(faults) == len(found) and all(fault.unreachable for fault in faults):
            if causes := [str(fault) for fault in faults if fault.cause]:
                raise BadInput("; ".join(causes))
            raise NoServer(f"no server at {', '.join(endpoint.url for endpoint in self.endpoints)}")
        for fault in faults:
            LOG.warning("%s; it is tried again meanwhile", fault)

    async def _begin_all(self, tasks: asyncio.TaskGroup) -> None:
        """Begin each request when there is a slot for it; returns when all are answered or given up."""
        loop, changed, place = asyncio.get_running_loop(), asyncio.Event(), self.slots.join()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        def ended(_: asyncio.Task[None]) -> None:  # also of one that was cancelled before it began
            self._in_flight -= 1
            self.slots.give()
            changed.set()

        try:
            while True:
                changed.clear()
                while self._groups and self._in_vain < IN_VAIN and self.slots.take(place, wake):
                    self._in_flight += 1
                    tasks.create_task(self._answer(self._groups.popleft())).add_done_callback(ended)
                    await asyncio.sleep(0)  # the first is sent while the prompts of the others are made into tokens
                if not self._groups or self._in_vain >= IN_VAIN:
                    self.slots.leave(place)
                    if not self._in_flight:
                        return
                await changed.wait()
        finally:
            self.slots.leave(place)

    async def _answer(self, group: Sequence[Request]) -> None:
        """Have a group answered, or give it up; what a server did not give at one time is asked for on its own."""
        prompt = self._prompt(id(group[0].messages))
        try:
            found = await self._try(group, prompt)
        except Fault as fault:
            self.last_fault, self._in_vain = str(fault), self._in_vain + 1
            self._empty += group if fault.empty else []
        else:
            self._in_vain = 0
            self._give_empty()
            for pair in zip(group, found, strict=False):
                self._give(pair)
            self._groups.extendleft([request] for request in reversed(group[len(found) :]))

    def _give_empty(self) -> None:
        """Mark those whose text was lost each time, though a server gives others theirs."""
        for request in self._empty:
            problem, sample, stage = request.key
            name = f"{problem} sample {sample} {stage}".strip()
            LOG.warning("%s: no text in %d tries; its trace says %r", name, self.retries + 1, EMPTY)
            self._give((request, Completion("", EMPTY, None, 0)))
        self._empty.clear()

    async def _try(self, group: Sequence[Request], prompt: Prompt) -> list[Completion]:
        """Responses to the first requests of a group. Raises Fault after the last try."""
        endpoint: Endpoint | None = None
        for number in range(self.retries + 1):
            endpoint = self._free(endpoint)
            endpoint.in_flight += 1
            try:
                with self.slots.asking(endpoint.url, len(group)):
                    found = await self._ask(endpoint, prompt, group)
                endpoint.rest_until = 0.0
                return found
            except Fault as fault:
                last = fault
                if not fault.empty:
                    endpoint.rest_until = time.monotonic() + self.backoff_s
                    endpoint.ready = endpoint.ready and fault.status is not None  # no answer: it may be another by now
            finally:
                endpoint.in_flight -= 1
            if number < self.retries:
                await asyncio.sleep(self._wait_s(last, number))
        raise last

    def _wait_s(self, fault: Fault, number: int) -> float:
        """Seconds until the next try: what the server asks for, none where another is up, else twice the last."""
        if fault.wait_s is not None:
            return fault.wait_s
        now = time.monotonic()
        if number == 0 and any(endpoint.rest_until <= now for endpoint in self.endpoints):
            return 0.0
        longest = min(self.backoff_s * 2**number, LONGEST_BACKOFF_S)
        return longest * random.uniform(0.75, 1.25)  # not all at once

    def _free(self, failed: Endpoint | None) -> Endpoint:
        """The server with the least to do; one that has just failed, or that failed here, only if there is no other.

        One that is not known to be there gets one request to find out, not all that are free to wait for it.
        """
        now = time.monotonic()

        def order(one: Endpoint) -> tuple:
            return one.rest_until > now, one is failed, not one.ready and one.in_flight > 0, self.slots.asked(one.url)

        return min(self.endpoints, key=order)
