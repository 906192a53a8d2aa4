"""When two answers are the same: rules of writing in front of Math-Verify, and numbers compared as numbers."""

import re
from fractions import Fraction

MAX_LENGTH = 5_000  # characters; no answer is longer, and beyond it only the same text is the same answer
_NUMERAL = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,400})(?:\.\d{0,400})?|[+-]?\.\d{1,400}", re.ASCII)


def plain_number(text: str) -> Fraction | None:
    """The value of an integer or a decimal without any LaTeX in it, else None."""
    text = text.strip().strip("$").strip()
    if len(text) > 400 or not _NUMERAL.fullmatch(text):
        return None
    return Fraction(text.replace(",", ""))


def quick(candidate: str, reference: str) -> bool | None:
    """The verdict where it costs microseconds: the same text, or two plain numbers. None: not known yet."""
    if not candidate.strip() or not reference.strip():
        return False
    if candidate.strip() == reference.strip():
        return True
    if max(len(candidate), len(reference)) > MAX_LENGTH:
        return False
    a, b = plain_number(candidate), plain_number(reference)
    if a is not None and b is not None:
        return a == b
    return None


def equivalent(candidate: str, reference: str) -> bool:
    """Whether two answers are the same mathematically. Slow and unbounded in time: for a worker process only."""
    from math_verify import parse, verify

    if (known := quick(candidate, reference)) is not None:
        return known
    gold = parse(reference if "$" in reference or "boxed" in reference else f"${reference}$", parsing_timeout=None)
    pred = parse(candidate if "boxed" in candidate else "\\boxed{" + candidate + "}", parsing_timeout=None)
    return bool(verify(gold, pred, timeout_seconds=None))
