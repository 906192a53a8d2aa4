"""Problems: where they come from, and how they are put to a model."""

from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems

__all__ = ["Problem", "load_problems"]
