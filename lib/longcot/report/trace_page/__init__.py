"""The page of traces: all traces of a run, to be searched and read in a browser without a kernel."""
