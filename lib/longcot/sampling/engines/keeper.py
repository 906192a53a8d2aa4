"""Keeps one server: starts it, and ends it with all that it started as soon as whoever wanted it is gone.

`python -m longcot.sampling.engines.keeper LOG COMMAND …`, in whose environment MARK says whose server it is. It reads
its standard input, which ends when the process that started it does, in whatever way: a notebook's kernel that is
killed can end nothing itself. When this keeper is killed, Linux tells the server, which ends its workers then, and a
witness ends what does not hear.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from longcot.files.processes import end_marked

MARK = "LONGCOT_ENGINE"
PR_SET_PDEATHSIG = 1  # of Linux's prctl


def _die_with_keeper() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # SIGKILL would leave its workers alone


@contextmanager
def _witness() -> Iterator[None]:
    """Have a witness meanwhile. It does not carry the mark, by which it ends what does, this keeper too."""
    command = [sys.executable, "-m", "longcot.sampling.engines.witness", os.environ[MARK]]
    own = {name: value for name, value in os.environ.items() if name != MARK}
    witness = subprocess.Popen(command, stdin=subprocess.PIPE, env=own, start_new_session=True)
    try:
        yield
    finally:
        witness.kill()  # all has ended; told by the end of its input, it would end this process, which waits for it
        witness.wait()


def main(words: list[str]) -> int:
    """Keep the server until it ends or is no longer wanted; returns its exit status."""
    log, command = words[0], words[1:]
    unwanted = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: unwanted.set())

    def listen() -> None:
        while os.read(0, 4096):
            pass
        unwanted.set()

    with open(log, "ab", buffering=0) as out, _witness():
        try:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},  # which is this one's
                start_new_session=True,
                preexec_fn=_die_with_keeper,
            )
        except OSError as error:
            out.write(f"OSError: {command[0]}: {error.strerror}\n".encode())
            return 127
        threading.Thread(target=listen, daemon=True).start()
        while server.poll() is None and not unwanted.wait(0.2):
            pass
        left = end_marked(MARK, os.environ[MARK])
        return 1 if left else server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
