"""The explorer of traces: an index of a run directory, filters, and traces beside each other."""
