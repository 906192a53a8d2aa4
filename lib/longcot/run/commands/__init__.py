"""Commands of the program `longcot`, one a file; each imports what it needs when it runs."""
