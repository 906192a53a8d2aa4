"""TeX whose backslash JSON has taken: `\\frac` written with one backslash is a form feed and `rac` when it is read."""

import re

_END = r"(?![A-Za-z])"
_MATH = r"(?<=[$={(+\-^_&|])"  # before it: where no line and no indentation begins
_WITHIN = r"(?<=[^\s] )"  # before it: a word and a space
# What follows the character that JSON reads. Where it might be a word, what stands about it has to be mathematics.
_LOST = {
    "b": r"\x08(?P<b>[A-Za-z]+)",  # no text has a backspace before a letter
    "f": rf"\x0c(?P<f>(?:rac|orall|box|lat|rown|ootnotesize){_END}|rac(?=\d))",
    "t": rf"\t(?P<t>(?:imes|heta|frac|riangle|ilde|herefore|anh|au){_END}|ext(?:bf|it|rm|tt|sf|up)?(?=\s*\{{))"
    rf"|{_MATH}\t(?P<t2>(?:an|o|op|ag){_END})|{_WITHIN}\t(?P<t3>o(?=\s*[-+\d\\])|an(?=\s*[\\^(]))",
    "r": rf"\r(?P<r>(?:ight(?:arrow|leftharpoons)?|ho|brace|vert){_END})"
    rf"|(?:{_MATH}|(?<=[\w}}]))\r(?P<r2>(?:angle|ceil|floor|m){_END})",
    "n": rf"\n(?P<n>(?:abla|otin|subseteq){_END})"
    rf"|(?:{_MATH}|{_WITHIN})\n(?P<n2>eq(?![A-Za-z.]))|{_WITHIN}\n(?P<n3>e(?= ?-?\d))",
}
_ANY = re.compile("|".join(_LOST.values()))
_READ_AS = {"b": "a backspace", "f": "a form feed", "t": "a tab", "r": "a carriage return", "n": "a line end"}


def lost_backslash(text: str) -> str | None:
    """What a text says where a TeX command should stand, in half a line with the fix; None where nothing is lost."""
    found = _ANY.search(text)
    if not found:
        return None
    letter = found.lastgroup[0]
    rest = found[found.lastgroup][:20]
    return (
        f"{_READ_AS[letter]} before {rest!r}, which JSON makes of \\{letter}{rest} with one backslash; write two where "
        "the file was made, or write it with a JSON library"
    )
