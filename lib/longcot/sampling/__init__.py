"""Sampling: problems in, graded traces out, the same call for every kind of sampler."""
