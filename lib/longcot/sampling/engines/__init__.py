"""Engines: how vLLM serves a model and its adapters."""
