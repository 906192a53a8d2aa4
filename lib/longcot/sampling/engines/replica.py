"""One server of an engine: started under a keeper, waited for, and ended for good."""

import json
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, display_path
from longcot.files.processes import GRACE_S, LONGEST_S, end_marked
from longcot.sampling.engines.keeper import KEY, MARK
from longcot.sampling.engines.vllm import last_lines, last_words
from longcot.sampling.stopping import stopping

HOST = "127.0.0.1"
SAID_EVERY_S = 15.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows no loopback


class Died(Exception):
    """A server that ended, with its last words."""


class Replica:
    """A server on one set of cards.

    `words(port)` is the command, which is run in a folder where `model`, unless it is none, is called LINK;
    `environment` is all that it may see, with its key, `log` its log.
    """

    def __init__(
        self, name: str, words: Callable[[int], list[str]], model: str, environment: dict[str, str], log: Path
    ):
        self.name, self.log, self.port, self.starts = name, log, 0, 0
        self._words, self._model, self._environment, self._key = words, model, environment, environment[KEY]
        self._keeper: subprocess.Popen | None = None
        self._mark = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._keeper is not None and self._keeper.poll() is None

    def begin(self) -> None:
        """Start it on a free port, and do not wait."""
        self.end()
        self.starts += 1
        self.port, self._mark = _free_port(), secrets.token_hex(8)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        keeper = [sys.executable, "-m", "longcot.sampling.engines.keeper", str(self.log), self._model]
        self._keeper = subprocess.Popen(
            [*keeper, *self._words(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=self._environment | {MARK: self._mark, "PYTHONPATH": str(ROOT / "lib")},
            start_new_session=True,  # Ctrl-C is for the job, which ends it in order
        )
        threading.Thread(target=_end_with, args=(self._keeper, self._mark), daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until it answers. Raises Died where it ends before, and BadInput where it takes longer than that."""
        began, told = time.monotonic(), time.monotonic()
        while not self._answers():
            if stopping():
                raise KeyboardInterrupt
            if not self.alive:
                self.end()
                raise Died(last_words(self.log))
            now = time.monotonic()
            if now - began > seconds:
                self.end()
                raise BadInput(
                    f"engine {self.name}: does not answer after {seconds:.0f} s ({last_words(self.log)}); raise "
                    f"engine.start_s, or see {display_path(self.log)}"
                )
            if now - told > SAID_EVERY_S:
                told = now
                said = next(reversed(last_lines(self.log)), "")[:160]
                print(f"engine {self.name}: starting, {now - began:.0f} s: {said}", file=sys.stderr)
            time.sleep(0.25)

    def let_go(self) -> None:
        """Tell its keeper to end it, and do not wait."""
        if self._keeper is not None:
            self._keeper.stdin.close()

    def end(self) -> None:
        """End it and all that it started; returns when nothing of it is left."""
        if self._keeper is None:
            return
        self.let_go()
        keeper, self._keeper = self._keeper, None
        try:
            keeper.wait(GRACE_S + LONGEST_S + 10)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        if keeper.returncode:  # killed itself, or not able to end all
            if left := end_marked(MARK, self._mark, grace_s=0):
                raise BadInput(f"engine {self.name}: processes {left} do not end; end them by hand")

    def gone(self) -> bool:
        """Whether it has ended, or is about to: its keeper first ends the workers of a server that was killed.

        One that runs and does not answer for as long as that may take counts as gone too.
        """
        end = time.monotonic() + GRACE_S + LONGEST_S
        while self.alive and time.monotonic() < end:
            if stopping() or self._answers():
                return False
            time.sleep(0.25)
        return True

    def _answers(self) -> bool:
        """Whether it is this server, by its key, and lists its models."""
        asked = urllib.request.Request(f"{self.url}/models", headers={"Authorization": f"Bearer {self._key}"})
        try:
            with _OPENER.open(asked, timeout=5) as reply:
                return self.alive and isinstance(json.loads(reply.read()).get("data"), list)
        except (OSError, ValueError, AttributeError):
            return False


def _end_with(keeper: subprocess.Popen, mark: str) -> None:
    """Kill what a keeper leaves when it is killed itself.

    vLLM, told to end then, lets its last requests finish, of which its workers may know nothing any more: a client
    would wait for them until its time-out.
    """
    if keeper.wait() < 0:
        end_marked(MARK, mark, grace_s=0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
