"""The miniature world: its problems, and solutions that a program writes."""
