"""From a pool of traces to a training set: filters, a choice of n, and what became of every row."""
