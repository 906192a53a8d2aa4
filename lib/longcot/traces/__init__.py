"""Traces: samples of models (or people) on problems, their files, and what they are like."""

from longcot.traces.trace import Trace, iter_traces, read_traces

__all__ = ["Trace", "iter_traces", "read_traces"]
