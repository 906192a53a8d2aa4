"""How a study's models are served: the name of an adapter on a server, and the command that starts vLLM."""

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from longcot.files.errors import BadInput
from longcot.files.manifest import sha256
from longcot.files.paths import shown

if TYPE_CHECKING:
    pass

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM 0.32 takes for --max-lora-rank
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def module_name(name: str, adapter: str | Path) -> str:
    """The name under which an adapter is served: `name@` and eight hex digits of its files' SHA-256.

    A server keeps an adapter in memory under its name, also when the directory has been trained anew since. With the
    content in the name, an old one is never asked by mistake. Raises BadInput where the directory holds no adapter.
    """
    files = [Path(adapter) / file for file in ADAPTER_FILES]
    if lacking := [file.name for file in files if not file.is_file()]:
        raise BadInput(f"{shown(adapter)}: no {', '.join(lacking)} in it; give the directory of a PEFT adapter")
    return f"{name}@{hashlib.sha256(''.join(map(sha256, files)).encode()).hexdigest()[:8]}"


def serve_command(
    path: str | Path,
    served_as: list[str],
    *,
    revision: str = "",
    trust_remote_code: bool = False,
    dtype: str = "bfloat16",
    context: int | None = None,
    adapters: Mapping[str, str | Path] | None = None,
    rank: int = 0,
    url: str = "http://localhost:8000/v1",
) -> str:
    """The shell command that serves a model with vLLM as this project asks it.

    `path` is a directory or a Hub id, `served_as` its names, `adapters` maps names to PEFT directories, of which those
    that are there are loaded at the start and the others when they are first asked for; `rank` is the largest rank of
    any (0: no adapter will come). `context` is in tokens, None what the model's config says. `url` gives the port.
    """
    words = ["vllm", "serve", str(path)]
    words += ["--served-model-name", *served_as] if served_as else []
    words += ["--revision", revision] if revision else []
    words += ["--trust-remote-code"] if trust_remote_code else []
    words += ["--dtype", dtype]
    words += ["--generation-config", "vllm"]  # else top_k or a penalty of the model's own file would hold
    words += ["--max-model-len", str(context)] if context else []
    host = urlsplit(url).hostname or ""
    words += ["--host", host] if host in ("localhost", "127.0.0.1") else []  # else vLLM listens to the whole network
    words += ["--port", str(urlsplit(url).port or 8000)]
    if not rank:
        return shlex.join(words)
    words += ["--enable-lora", "--max-lora-rank", str(next((size for size in RANKS if size >= rank), rank))]
    there = {name: folder for name, folder in (adapters or {}).items() if (Path(folder) / ADAPTER_FILES[0]).is_file()}
    modules = [f"{module_name(name, folder)}={folder}" for name, folder in there.items()]
    words += ["--lora-modules", *modules] if modules else []
    return "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True " + shlex.join(words)
