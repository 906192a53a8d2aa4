"""Ends a server whose keeper was killed: `python -m longcot.sampling.engines.witness MARK`, started by the keeper.

Linux tells the server too when its keeper is gone, but once, by SIGTERM; vLLM was seen to lose that while it started,
and then served for nobody. Its standard input ends when the keeper does, in whatever way.
"""

import os
import sys

from longcot.files.processes import end_marked
from longcot.sampling.engines.keeper import MARK


def main(mark: str) -> int:
    """Wait for the keeper's end, then end what is left of its server; returns the exit status."""
    while os.read(0, 4096):
        pass
    return 1 if end_marked(MARK, mark) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
