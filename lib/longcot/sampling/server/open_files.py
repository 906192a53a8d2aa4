"""How many connections this process may have open at once: each is an open file, of which many systems allow 1,024."""

import resource

MOST = 1 << 16  # where a system sets no bound, or a far larger one
BESIDE = 200  # other open files: traces, logs, grading's workers, a notebook's sockets


def connections() -> int:
    """As many as there may be, after the process's limit on open files has been raised as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(most - BESIDE, 1)
