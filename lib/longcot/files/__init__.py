"""Errors, paths, whole writes, strict models, manifests: what every room needs of files."""
