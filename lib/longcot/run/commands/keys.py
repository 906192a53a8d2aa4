"""`longcot keys`."""

from collections.abc import Sequence

from longcot.files.paths import display_path
from longcot.run.arguments import Parser


def keys(parser: Parser, words: Sequence[str]) -> None:
    """Say all that a study may hold: each key with type, default, meaning and source.

    Reads:    the models of a study in the code, and the comments on their fields
    Writes:   nothing; with --write the part of params/README.md that holds them
    Returns:  0, the keys printed as Markdown, or the page's path
    Example:  longcot keys | less
    """
    parser.add_argument("--write", action="store_true", help="into params/README.md, after a change of the models")
    given = parser.read(words)
    from longcot.study.keys import reference, write_reference

    print(display_path(write_reference()) if given.write else reference())
