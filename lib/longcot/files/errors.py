"""The one error that a user can fix: bad input, said in one line; and how a program ends on it."""

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable

from longcot.files.visible import visible

INTERRUPTED, BROKEN_PIPE = 130, 141  # as a shell counts them: 128 and the number of SIGINT, of SIGPIPE


class BadInput(ValueError):
    """Input that cannot be used. The message is one line: the file, the place, what is wrong, and the fix."""

    def __init__(self, message: str):
        # Paths and values may hold any character, also those that end a line or act in a terminal.
        super().__init__(visible(str(message)).replace("\n", "⟨U+000A⟩").replace("\t", "⟨U+0009⟩"))


def advice(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not known: the nearest that is, or all of them."""
    if near := difflib.get_close_matches(name, known := list(known), 1):
        return f"did you mean {near[0]}?"
    return f"use one of {', '.join(known)}" if known else "there are none"


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Makes a function a program: it returns the exit status.

    That is 0, or what the function returns; 1 after BadInput or a file that may not be read, 130 after Ctrl-C, each
    said in one line; 141 where nobody reads on, as behind `| head`, which is no error to speak of.
    """

    @functools.wraps(main)
    def run(*args: object) -> int:
        try:
            try:
                return main(*args) or 0
            finally:
                sys.stdout.flush()
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except PermissionError as error:
            print(f"error: {error.filename}: {error.strerror}; give yourself the right to it", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
            return BROKEN_PIPE

    return run
