"""The one error that a user can mend: bad input, said in one line."""


class BadInput(ValueError):
    """Input that cannot be used. The message is one line: the file, the place, what is wrong, and the fix."""
