"""The engines of a job: one base at a time, served by as many replicas as fit on the job's cards."""

import math
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, resolve
from longcot.files.privacy import scrubbed
from longcot.files.run_directory import engine_log
from longcot.files.writing import write_whole
from longcot.models.adapter import adapter_rank
from longcot.models.cards import Card, cards, used_gb
from longcot.sampling.engines.command import Served
from longcot.sampling.engines.keeper import KEY_FILE, LINK
from longcot.sampling.engines.places import places
from longcot.sampling.engines.replica import HOST, Died, Replica
from longcot.sampling.engines.vllm import environment, last_words, program
from longcot.sampling.requests import SAMPLES_A_REQUEST
from longcot.sampling.server.open_files import connections
from longcot.sampling.server.slots import Slots
from longcot.sampling.settings import SampleTask, Server

KEY = "LONGCOT_ENGINE_KEY"  # the variable by which the client finds the key of this job's engines
NO_CHAT = ("--chat-template", "{{messages}}")  # prompts come as tokens; else it reads a tokenizer to look for one
SPARE_GB = 0.5  # that a card may have in use more than before: other processes' contexts come and go
FREE_S = 60.0  # until a card's memory is free after the end of a server


class Engines:
    """Starts the engine of a base when an arm of it is first sampled, with all adapters of the job's arms on that base.

    One base is served at a time: the next one's engine has the cards to itself. As a context manager it ends what it
    started, and sees that the cards' memory is free.
    """

    def __init__(self, tasks: Sequence[SampleTask], run_dir: Path, job: str):
        self.tasks, self.run_dir, self.job = tasks, run_dir, job
        self.replicas: list[Replica] = []
        self.started, self.seconds = 0, 0.0  # how many servers, and what their starts took
        self._now: tuple | None = None
        self._cards: list[Card] = []
        self._used_gb = 0.0

    def __enter__(self) -> "Engines":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def serve(self, task: SampleTask, base: str, dtype: str, meanwhile: Callable[[], object] = lambda: None) -> Server:
        """Where an arm is served: `base` (a directory or Hub id) in `dtype`. Starts its engine unless it runs, and does
        `meanwhile` until that answers.

        Raises BadInput where no server can be started, with its last words.
        """
        wanted = (task.base, task.engine)
        if self._now != wanted:
            self.end()
            self._start(task, base, dtype, meanwhile)
            self._now = wanted
        else:
            self._again([replica for replica in self.replicas if not replica.alive])
        engine = task.engine
        urls = [replica.url for replica in self.replicas]
        concurrency = engine.concurrency * len(urls)
        return Server(urls=urls, key=KEY, concurrency=concurrency, timeout_s=engine.timeout_s, retries=3)

    def arms_at_once(self, task: SampleTask, responses: int) -> int:
        """How many arms of so many responses are sampled side by side, for the engine of `task` to be busy throughout.

        While those that fit are asked, as many again have their last responses to come, for a time in which others
        could be asked. Fewer where their connections are more than this process may have. Raises BadInput where the
        cards are too few for the engine.
        """
        dtype = task.dtype if task.base.precision == "nf4" else task.base.precision
        servers = len(places(cards(), task.engine, self._served(task, task.base.path, dtype)))
        asked = math.ceil(max(responses, 1) / SAMPLES_A_REQUEST)  # requests of an arm
        at_once = task.engine.concurrency * servers
        return max(min(1 + 4 * math.ceil(at_once / asked), connections() // min(asked, at_once)), 1)

    def revive(self, since: int) -> bool:
        """After a request failed: start again what has died, each replica at most `engine.restarts` times; returns
        whether any had, now or since there were so many starts.

        Raises BadInput with a server's last words where it dies once too often.
        """
        self._again([replica for replica in self.replicas if replica.gone()])
        return self.started > since

    def _again(self, dead: Sequence[Replica]) -> None:
        for replica in dead:
            print(f"engine {replica.name}: ended ({last_words(replica.log)}); started again", file=sys.stderr)
        self._begin(dead)

    def end(self) -> None:
        """End the servers and see that their cards are free. Raises BadInput where something holds on to them."""
        replicas, self.replicas, self._now = self.replicas, [], None
        for replica in replicas:  # all at once: the end of one takes seconds
            replica.let_go()
        for replica in replicas:
            replica.end()
        for replica in replicas:
            if replica.log.is_file():
                write_whole(replica.log, scrubbed(replica.log.read_text(encoding="utf-8", errors="replace")))
        if replicas and self._cards:
            self._see_free()

    def _see_free(self) -> None:
        end, left = time.monotonic() + FREE_S, used_gb(self._cards)
        while left > self._used_gb + SPARE_GB * len(self._cards) and time.monotonic() < end:
            time.sleep(0.5)
            left = used_gb(self._cards)
        print(f"engine ended: {left:.1f} GB of its GPUs in use, {self._used_gb:.1f} before", file=sys.stderr)
        if left > self._used_gb + SPARE_GB * len(self._cards):
            raise BadInput(
                f"GPU {', '.join(card.name for card in self._cards)}: {left:.1f} GB are still in use after the engine "
                f"ended, {self._used_gb:.1f} GB were before; see what holds them (nvidia-smi), then run again"
            )

    def _start(self, task: SampleTask, base: str, dtype: str, meanwhile: Callable[[], object]) -> None:
        vllm, key = program(), f"sk-{secrets.token_hex(24)}"  # a shape that is taken out of logs, whoever does it
        os.environ[KEY] = key  # for the client in this process
        self._cards = cards()
        self._used_gb = used_gb(self._cards)
        served, local = self._served(task, base, dtype), Path(base).is_dir()
        found = places(self._cards, task.engine, served)
        self._limits = task.engine
        self.slots = Slots(task.engine.concurrency * len(found))
        linked = local and not served.trust_remote_code  # transformers keeps a model's code by the folder's name
        served = replace(served, path=LINK if linked else str(Path(base).absolute())) if local else served
        for number, place in enumerate(found):
            name = f"{task.served_as}-{number}" if len(found) > 1 else task.served_as
            log = self.run_dir / engine_log(f"{self.job}-{name}")
            log.unlink(missing_ok=True)
            more = ("--config", KEY_FILE, *NO_CHAT, *place.words)
            words = lambda port, more=more: [str(vllm), *served.words(HOST, port, *more)]  # noqa: E731
            given = environment(key, list(place.cards), local)
            self.replicas.append(Replica(name, words, base if linked else "", given, log))
        where = f"GPUs {', '.join(card.name for card in self._cards)}" if self._cards else "the CPU"
        print(f"engine {task.served_as}: {len(found)} on {where}", file=sys.stderr)
        self._begin(self.replicas, meanwhile)

    def _begin(self, replicas: Sequence[Replica], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Start these replicas side by side, do something meanwhile, and wait for all of them."""
        began = time.monotonic()
        for replica in replicas:
            self._once_more(replica, "")
        meanwhile()  # not before: Python does one thing at a time, and a server starts outside this process
        for replica in replicas:
            while True:
                try:
                    replica.wait(self._limits.start_s)
                    break
                except Died as died:
                    self._once_more(replica, str(died))
        if replicas:
            self.started += len(replicas)
            self.seconds += (took := time.monotonic() - began)
            print(f"engine {', '.join(one.name for one in replicas)}: answers after {took:.1f} s", file=sys.stderr)

    def _once_more(self, replica: Replica, words: str) -> None:
        if replica.starts > self._limits.restarts:
            words = words or last_words(replica.log)
            raise BadInput(
                f"engine {replica.name}: ended {replica.starts} times, the last time with: {words} "
                f"(log: {display_path(replica.log)})"
            )
        replica.begin()

    def _served(self, task: SampleTask, base: str, dtype: str) -> Served:
        """What the engine serves: the base, and the adapters of all arms of the job on it."""
        same = [one for one in self.tasks if (one.base, one.engine) == (task.base, task.engine)]
        adapters = {one.served_as: resolve(one.adapter) for one in same if one.adapter}
        contexts = [one.context for one in same]
        return Served(
            base,
            tuple(dict.fromkeys(one.served_as for one in same if not one.adapter)),
            revision="" if Path(base).is_dir() else task.base.revision,
            trust_remote_code=task.base.trust_remote_code,
            dtype=dtype,
            context=None if None in contexts else max(contexts),
            adapters=adapters,
            rank=max((adapter_rank(folder) for folder in adapters.values()), default=0),
        )
