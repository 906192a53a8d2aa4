"""The miniature: a world of small problems, a base model that can reason but does not when asked, two adapters."""
