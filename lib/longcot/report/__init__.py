"""The report of a run, and what is made for its readers."""
