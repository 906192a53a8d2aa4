"""Sampling on OpenAI-compatible servers."""
