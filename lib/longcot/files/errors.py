"""The one error that a user can fix: bad input, said in one line; and how a program ends on it."""

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable

from longcot.files.visible import visible

INTERRUPTED, BROKEN_PIPE = 130, 141  # as a shell counts them: 128 and the number of SIGINT, of SIGPIPE


class BadInput(ValueError):
    """Input that cannot be used. The message is one line: the file, the place, what is wrong, and the fix.

    `others` are lines about what else is wrong with the same input, where that is known too.
    """

    def __init__(self, message: str, *others: str):
        # Paths and values may hold any character, also those that end a line or act in a terminal.
        first, *rest = (
            visible(str(line)).replace("\n", "⟨U+000A⟩").replace("\t", "⟨U+0009⟩") for line in (message, *others)
        )
        super().__init__(first)
        self.others = rest

    @classmethod
    def of_all(cls, errors: "Iterable[BadInput]") -> "BadInput":
        """One of several."""
        first, *others = (line for error in errors for line in error.lines)
        return cls(first, *others)

    @property
    def lines(self) -> list[str]:
        """All that is wrong, a line each."""
        return [str(self), *self.others]


def advice(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not known: the nearest that is, or all of them."""
    if near := difflib.get_close_matches(name, known := list(known), 1):
        return f"did you mean {near[0]}?"
    return f"use one of {', '.join(known)}" if known else "there are none"


def say(error: BadInput) -> None:
    """Say on stderr what is wrong, each in its line."""
    for line in error.lines:
        print(f"error: {line}", file=sys.stderr)


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
            say(error)
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
