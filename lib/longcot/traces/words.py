"""Words, also of languages that put no spaces between them, where each character counts as one."""

import re
from collections.abc import Iterator

# Letters and signs of Chinese, Japanese, Thai, Lao, Burmese and Khmer, without their digits
UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def split_words(text: str) -> list[str]:
    """What stands between white space, and each character of a language that has none."""
    return _WORD.findall(text) if _UNSPACED.search(text) else text.split()


def word_places(text: str) -> Iterator[re.Match[str]]:
    """The `split_words` of a text with their places."""
    return _WORD.finditer(text)
