"""A study file: its parameters, reading and checks."""
