"""Keeps one server: starts it, and ends it with all that it started as soon as whoever wanted it is gone.

`python -m longcot.sampling.engines.keeper LOG MODEL COMMAND …`, in whose environment MARK says whose server it is. It
reads its standard input, which ends when the process that started it does, in whatever way: a notebook's kernel that is
killed can end nothing itself. When this keeper is killed, Linux tells the server, which ends its workers then, and a
witness ends what does not hear.

The server runs in a folder of its own, which ends with it. vLLM keeps the graphs that it compiles by its model's path
and (0.25) its environment's key, so both are the same at each start, or a quarter of it would be done anew: the folder
MODEL stands there as LINK, wherever the run is, and the key is in KEY_FILE, which other users cannot read either.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from longcot.files.processes import end_marked
from longcot.files.run_directory import ENGINE_FOLDER

MARK = "LONGCOT_ENGINE"
KEY = "VLLM_API_KEY"  # of this process; not on a command line, which every user of the machine can read
LINK, KEY_FILE = "served-model", "key.yaml"  # a name that no module has: Python may look for some in this folder
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


@contextmanager
def _folder(log: Path, model: str) -> Iterator[Path]:
    """The server's own folder, beside its log."""
    folder = log.with_suffix(ENGINE_FOLDER)
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed together with its keeper
    folder.mkdir(mode=0o700)
    try:
        (folder / KEY_FILE).write_text(f"api-key: {os.environ[KEY]}\n")
        if model:
            (folder / LINK).symlink_to(Path(model).absolute(), target_is_directory=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(words: list[str]) -> int:
    """Keep the server until it ends or is no longer wanted; returns its exit status."""
    log, model, command = Path(words[0]), words[1], words[2:]
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", KEY)}  # this one's
    unwanted = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: unwanted.set())

    def listen() -> None:
        while os.read(0, 4096):
            pass
        unwanted.set()

    # vLLM writes the key into its log: others may read that when the job has taken it out.
    opener = lambda path, flags: os.open(path, flags, 0o600)  # noqa: E731
    with open(log, "ab", buffering=0, opener=opener) as out, _witness(), ExitStack() as stack:
        try:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=stack.enter_context(_folder(log, model)),
                env=own,
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
