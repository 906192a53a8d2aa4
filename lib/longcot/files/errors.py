"""The one error that a user can mend: bad input, said in one line."""

import functools
import sys
from collections.abc import Callable


class BadInput(ValueError):
    """Input that cannot be used. The message is one line: the file, the place, what is wrong, and the fix."""


def command(main: Callable[..., None]) -> Callable[..., int]:
    """Makes a function a command: it returns the exit status, 0, or 1 after BadInput is said in one line."""

    @functools.wraps(main)
    def run(*args: object) -> int:
        try:
            main(*args)
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0

    return run
