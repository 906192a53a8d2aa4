"""How a study's models are served: the name of an adapter on a server, and the command that starts vLLM."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from longcot.files.errors import BadInput
from longcot.files.manifest import sha256
from longcot.files.paths import display_path

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM 0.32 takes for --max-lora-rank
LOOPBACK = ("localhost", "127.0.0.1")
SLOTS = 8  # adapters whose responses may stand in one batch; with vLLM's own 1 each adapter waits for the one before
RUNTIME_ADAPTERS = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"  # a variable: adapters may be loaded while it runs
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def module_name(name: str, adapter: str | Path) -> str:
    """The name under which an adapter is served: `name@` and eight hex digits of its files' SHA-256.

    A server keeps an adapter in memory under its name, also when the directory has been trained anew since. With the
    content in the name, an old one is never asked by mistake. Raises BadInput where the directory holds no adapter.
    """
    files = [Path(adapter) / file for file in ADAPTER_FILES]
    if lacking := [file.name for file in files if not file.is_file()]:
        raise BadInput(f"{display_path(adapter)}: no {', '.join(lacking)} in it; give the directory of a PEFT adapter")
    return f"{name}@{hashlib.sha256(''.join(map(sha256, files)).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Served:
    """A model as vLLM is to serve it.

    `path` is a directory or a Hub id, `names` those of the model itself, `adapters` maps names to PEFT directories, of
    which those that are there are loaded at the start and the others when they are first asked for; `rank` is the
    largest rank of any (0: no adapter will come). `context` is in tokens, None what the model's config says.
    """

    path: str
    names: tuple[str, ...] = ()
    revision: str = ""
    trust_remote_code: bool = False
    dtype: str = "bfloat16"
    context: int | None = None
    adapters: Mapping[str, str | Path] = field(default_factory=dict)
    rank: int = 0

    def words(self, host: str, port: int, *more: str) -> list[str]:
        """What follows `vllm`; `more` are further words of its own."""
        words = ["serve", self.path]
        words += ["--served-model-name", *self.names] if self.names else []
        words += ["--revision", self.revision] if self.revision else []
        words += ["--trust-remote-code"] if self.trust_remote_code else []
        words += ["--dtype", self.dtype]
        words += ["--generation-config", "vllm"]  # else top_k or a penalty of the model's own file would hold
        words += ["--max-model-len", str(self.context)] if self.context else []
        words += ["--host", host] if host in LOOPBACK else []  # else vLLM listens to the whole network
        words += ["--port", str(port), *more]
        if not self.rank:
            return words
        size = next((size for size in RANKS if size >= self.rank), self.rank)
        words += ["--enable-lora", "--max-lora-rank", str(size)]
        words += ["--max-loras", str(min(len(self.adapters), SLOTS))] if self.adapters else []
        there = {name: path for name, path in self.adapters.items() if (Path(path) / ADAPTER_FILES[0]).is_file()}
        modules = [f"{module_name(name, folder)}={folder}" for name, folder in there.items()]
        return words + (["--lora-modules", *modules] if modules else [])

    def command(self, url: str = "http://localhost:8000/v1") -> str:
        """The shell command that serves it at a URL, for a person to start."""
        place = urlsplit(url)
        text = shlex.join(["vllm", *self.words(place.hostname or "", place.port or 8000)])
        return f"{RUNTIME_ADAPTERS}=True {text}" if self.rank else text
