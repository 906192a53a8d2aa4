"""What a table of results holds: pass@k, maj@k, intervals over problems and draws, paired differences."""

from longcot.metrics.scores import majority_at_k, pass_at_k

__all__ = ["majority_at_k", "pass_at_k"]
