"""Running a study: its jobs, their cost, the notebooks, locks, clusters."""
