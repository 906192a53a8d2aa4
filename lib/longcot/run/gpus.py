"""GPUs are leased by locks that all studies on a machine share: a job sees its cards alone, or has a share of one."""

import hashlib
import itertools
import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from longcot.files.errors import BadInput
from longcot.files.processes import end_marked
from longcot.files.writing import open_lock
from longcot.models.cards import SHARE, VISIBLE, Card, cards

POOL = "GPUS"  # the variable that names the cards a study may use: GPUS=0,1
LEASE = "LONGCOT_LEASE"  # the mark of what runs on leased cards
LOCKS = Path(os.environ.get("LONGCOT_GPU_LOCKS", "/tmp/longcot-gpus"))  # one place for all users of a machine
PATIENCE_S = 30.0  # to hold some cards while others are taken by a study with another pool; then they are given back


def pool() -> list[Card]:
    """The cards that this study may use: those of GPUS, else those that are visible. Raises BadInput for others."""
    there, named = cards(), os.environ.get(POOL, "").strip()
    if not named:
        return there
    known = {key: card for card in there for key in (card.name, card.uuid)}
    names = [name.strip() for name in named.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        shown = ", ".join(card.name for card in there) or "none"
        raise BadInput(f"{POOL}={named}: no GPU {unknown[0]!r} to be seen here; there are: {shown}")
    return [known[name] for name in names]


@contextmanager
def leased(count: int, of: list[Card], per_gpu: int = 1) -> Iterator[list[Card]]:
    """Hold `count` of the cards, waiting for them; CUDA_VISIBLE_DEVICES names them, and nothing else, meanwhile.

    With `per_gpu` above 1 the job shares each card with as many others as say so, and with none that does not. What the
    last holder left on a card, killed as it was, is ended first. Raises BadInput where there are too few.
    """
    if count > len(of):
        raise BadInput(f"a job asks for {count} GPUs, {len(of)} are there; lower jobs.*.gpus or name more in {POOL}")
    with ExitStack() as stack:
        held = _hold(count, of, per_gpu, stack)
        mark = secrets.token_hex(8)
        for card, file in held.items():
            _end_last(card, file, whole=per_gpu == 1)
            file.seek(0)
            file.truncate()
            file.write(mark.encode())
        before = {name: os.environ.get(name) for name in (VISIBLE, SHARE, LEASE)}
        os.environ |= {VISIBLE: ",".join(card.name for card in held), SHARE: str(per_gpu), LEASE: mark}
        try:
            yield list(held)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _hold(count: int, of: list[Card], per_gpu: int, stack: ExitStack) -> dict[Card, BinaryIO]:
    """The locks of `count` cards, or of a share of each, closed with the stack; shares of the emptiest cards first.

    Jobs of one pool wait in a queue, the first taking cards as they come free, so that one that wants many has its
    turn. Pools that overlap have queues of their own; where two jobs hold what the other wants, both let go and try
    again.
    """
    if not LOCKS.is_dir():
        LOCKS.mkdir(parents=True, exist_ok=True)
        LOCKS.chmod(0o1777)  # for every user of the machine
    own = hashlib.sha256(" ".join(sorted(card.uuid for card in of)).encode()).hexdigest()[:16]
    shares = [None] if per_gpu == 1 else range(per_gpu)
    with open_lock(LOCKS / f"queue-{own}.lock"):
        while True:
            with ExitStack() as mine:
                held: dict[Card, BinaryIO] = {}
                end = time.monotonic() + PATIENCE_S * random.uniform(0.5, 1.5)
                while not held or time.monotonic() < end:
                    for share, card in itertools.product(shares, of):
                        if len(held) < count and card not in held and (file := _lock(card, share, mine)):
                            held[card] = file
                    if len(held) == count:
                        stack.push(mine.pop_all())
                        return {card: held[card] for card in of if card in held}
                    time.sleep(0.1)
            time.sleep(random.uniform(0, 1))


def _lock(card: Card, share: int | None, stack: ExitStack) -> BinaryIO | None:
    """The lock of a whole card or of a share of it, the card then being held by all that share it; None if taken."""
    wanted = [(_place(card), share is not None)]
    if share is not None:
        wanted.append((_place(card, share), False))
    with ExitStack() as files:
        for path, shared in wanted:
            if not (file := open_lock(path, wait=False, shared=shared)):
                return None
            files.enter_context(file)
        stack.push(files.pop_all())
        return file


def _place(card: Card, share: int | str | None = None) -> Path:
    end = "" if share is None else f".share-{share}"
    return LOCKS / f"{card.uuid.replace('/', '-')}{end}.lock"


def _end_last(card: Card, own: BinaryIO, whole: bool) -> None:
    """End what carries the marks of last holders: their jobs are gone, as their locks are."""
    own.seek(0)
    marks = [own.read(64)]
    others = LOCKS.glob(_place(card, "*").name) if whole else [_place(card)]
    marks += [path.read_bytes()[:64] for path in others]
    for mark in filter(None, (found.decode(errors="replace").strip() for found in marks)):
        if left := end_marked(LEASE, mark):
            raise BadInput(f"GPU {card.name}: processes {left} of a job that is gone hold it; end them by hand")
