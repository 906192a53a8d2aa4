"""What a notebook's kernel says of itself in the terminal: errors, but not that it was ended."""

import errno
import logging

from zmq import ZMQError


class NotEnded(logging.Filter):
    """Leaves out that a reply found its socket closed: so each kernel ends that is interrupted by hand, and the run
    says that in a line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, ZMQError) and error.errno == errno.ENOTSOCK)


_CONFIG = {
    "filters": {"not ended": {"()": f"{__name__}.{NotEnded.__name__}"}},
    "handlers": {"console": {"filters": ["not ended"]}},
}
ARGUMENTS = ["--Application.log_level=ERROR", f"--Application.logging_config={_CONFIG}"]
