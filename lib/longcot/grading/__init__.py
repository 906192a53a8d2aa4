"""The final answer out of a text, whether two answers are the same, and grading of traces."""

from longcot.grading.extraction import extract_answer
from longcot.grading.grade import compare, grade, group_equivalent, is_equivalent

__all__ = ["compare", "extract_answer", "grade", "group_equivalent", "is_equivalent"]
