"""Texts that are the same, or nearly, once white space, case, punctuation and TeX's ways of writing are set aside."""

import re
import unicodedata
from collections.abc import Sequence

from longcot.files.errors import BadInput
from longcot.traces.words import UNSPACED

# TeX that changes the look of a formula and not what it says
_LOOKS = re.compile(r"\\(?:left|right|big+[lr]?|displaystyle|limits|quad|text|mathrm|mathbf|operatorname)(?![a-z])")
_WORD = re.compile(rf"[{UNSPACED}]|[^\W\d_{UNSPACED}]+|\d+")
_FRACTION = re.compile(r"\\[dt]frac(?![a-z])")


def normal_words(text: str) -> list[str]:
    """The words and numbers of a text in small letters; punctuation, dollars, braces and spacing commands are gone.

    In a language without spaces each character is a word (`traces.words`).
    """
    plain = _FRACTION.sub(r"\\frac", _LOOKS.sub(" ", unicodedata.normalize("NFKC", text).lower()))
    return _WORD.findall(plain)


def exact_duplicates(texts: Sequence[str]) -> list[int | None]:
    """For each text the position of the first one with the same normal words; None where it is that first one."""
    first: dict[tuple[str, ...], int] = {}
    found = []
    for position, text in enumerate(texts):
        earliest = first.setdefault(tuple(normal_words(text)), position)
        found.append(None if earliest == position else earliest)
    return found


def _shingles(text: str, n: int) -> set[str]:
    words = normal_words(text)
    return {" ".join(words[i : i + n]) for i in range(max(len(words) - n + 1, 1))}


def near_duplicates(texts: Sequence[str], threshold: float = 0.8, n: int = 3) -> list[tuple[int, float] | None]:
    """For each text (position, similarity) of the nearest earlier one that stays, at `threshold` or above; else None.

    Similarity is Jaccard's of the sets of word n-grams (Broder 1997). Candidates come from MinHash and
    locality-sensitive hashing (datasketch, 128 permutations, seed 1), and each is then compared exactly, so that none
    is called a duplicate by chance; a pair just above the threshold may be missed. Raises BadInput unless
    0 < threshold < 1.
    """
    from datasketch import MinHash, MinHashLSH

    if not 0 < threshold < 1:
        raise BadInput(f"near duplicates from {threshold}: the similarity must lie between 0 and 1; 0.8 is usual")
    # Sought a little lower than asked for: hashing errs to both sides, the exact comparison errs to none.
    index = MinHashLSH(threshold=max(threshold - 0.1, 0.05), num_perm=128)
    shingles = [_shingles(text, n) for text in texts]
    found: list[tuple[int, float] | None] = []
    for position, own in enumerate(shingles):
        sketch = MinHash(num_perm=128, seed=1)
        sketch.update_batch([shingle.encode() for shingle in own])
        alike = [(len(own & shingles[other]) / len(own | shingles[other]), -other) for other in index.query(sketch)]
        similarity, other = max(alike, default=(0.0, 0))
        found.append((-other, similarity) if similarity >= threshold else None)
        if found[-1] is None:
            index.insert(position, sketch)
    return found
