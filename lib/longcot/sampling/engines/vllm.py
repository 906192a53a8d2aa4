"""vLLM where it is: the program, the environment that it is started in, and what its last words mean."""

import os
import re
import shutil
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.files.privacy import scrubbed
from longcot.models.cards import VISIBLE, Card
from longcot.sampling.engines.command import RUNTIME_ADAPTERS
from longcot.sampling.engines.keeper import KEY

PROGRAM = "VLLM"  # the variable that names another vllm than the project's own: a module of a cluster, a wrapper
OWN = ROOT / ".venv-vllm" / "bin" / "vllm"  # what `make engine` makes
FORK = "VLLM_WORKER_MULTIPROC_METHOD"  # how a server starts its engine

# Of the process that starts it: its packages are not vLLM's, and one thread for a CPU is not enough.
NOT_HANDED_ON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS", "MPLBACKEND", "PYTHONWARNINGS", VISIBLE)

# Of these a relative path is meant from where the job runs; a server runs elsewhere, in a folder that goes with it.
PATHS = ("HF_HOME", "HF_HUB_CACHE", "HF_MODULES_CACHE", "HF_TOKEN_PATH", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME")
PATHS += ("VLLM_CACHE_ROOT", "VLLM_CONFIG_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TMPDIR")
PATHS += ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")

ADVICE = (  # what its log ends with, and what to change
    (
        r"No available memory for the cache|KV cache is needed|larger than the (?:available|maximum).{0,40}KV cache",
        "lower the model's context, or let engine.tensor_parallel spread it over more GPUs",
    ),
    (
        r"Free memory on device|less than desired GPU memory",
        "something else uses the GPU: wait for it, or lower engine.gpu_memory",
    ),
    (
        r"out of memory|OutOfMemory|Cannot allocate memory|not enough memory",
        "lower engine.gpu_memory or the model's context, raise engine.tensor_parallel, or take a smaller model",
    ),
    (r"unrecognized arguments|invalid choice", "this vLLM does not know the words that it is started with; see VLLM"),
    (r"LoRA rank|max_lora_rank", "lower lora.rank"),
    (r"tensor.parallel|divisible by", "take an engine.tensor_parallel that divides the model's attention heads"),
)
_ERROR = re.compile(r"\b(?:\w+Error|\w+Exception|OSError|error): .+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SAYS_NOTHING = ("Engine core initialization failed", "Engine process failed to start", "See root cause above")


def program() -> Path:
    """The vllm to start. Raises BadInput where there is none, with how to get one."""
    named = os.environ.get(PROGRAM)
    found = Path(shutil.which(named) or named).absolute() if named else OWN
    if found.is_file() and os.access(found, os.X_OK):
        return found
    if named:
        raise BadInput(f"{PROGRAM}={named}: no such program; give the path of a vllm that can be run")
    raise BadInput(f"no vLLM: `make engine` installs it, {PROGRAM}=/path/to/vllm names another, or leave engine out")


def environment(key: str, cards: list[Card], local: bool) -> dict[str, str]:
    """The environment of a server with that key on these cards; `local`: its model lies in a directory."""
    given = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    given |= {name: str(Path(given[name]).expanduser().absolute()) for name in PATHS if given.get(name)}
    given |= {KEY: key, RUNTIME_ADAPTERS: "True", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    given |= {"SPT_NOENV": "1"}  # else setproctitle, by which workers get a name, wipes out the marks to find them by
    given |= {"HF_HUB_OFFLINE": "1"} if local else {}
    if cards:
        # Else its engine imports again what the server has imported, a quarter of a start; vLLM sees where it must.
        given = {FORK: "fork"} | given if len(cards) == 1 else given
        return given | {VISIBLE: ",".join(card.name for card in cards)}
    return {"VLLM_CPU_KVCACHE_SPACE": "2"} | given  # GB; a build for CPUs takes it from there


def last_lines(log: Path) -> list[str]:
    """The last lines of a server's log, without colours, empty ones and keys; none where there is no log."""
    try:
        text = log.read_bytes()[-50_000:].decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in scrubbed(_COLOUR.sub("", text)).splitlines() if line.strip()]


def last_words(log: Path) -> str:
    """What a server's log ends with, in one line: the last error that says anything, else the last line; and advice."""
    lines = last_lines(log)
    errors = [found[0] for line in lines if (found := _ERROR.search(line))]
    errors = [words for words in errors if not any(part in words for part in _SAYS_NOTHING)]
    said = (errors or lines or ["it said nothing"])[-1][:300]
    advice = next((fix for pattern, fix in ADVICE if re.search(pattern, said, re.I)), "")
    return f"{said}; {advice}" if advice else said
