"""longcot: reproduce, check and extend "The Challenge of Teaching Reasoning to LLMs Without RL or Distillation".

Nothing heavy is imported here, so that worker processes and the planner start quickly.
"""

__version__ = "0.1.0"

import logging

# It warns of kernels for large models on CPU servers, which come from the Hub, at each start.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
