"""A real model behind OpenAI's API: `LocalSampler` in a thread, with adapters that are loaded as vLLM loads them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from longcot.sampling.local import LocalSampler
from longcot.sampling.settings import Sampling


class MiniatureServer:
    """Serves the model in a directory under `names`, one request at a time; `asked` counts samples by model."""

    def __init__(self, folder: Path, names: list[str]):
        self.sampler, self._lock = LocalSampler(folder, dtype="float32", threads=1), threading.Lock()
        self.adapters: dict[str, str | None] = dict.fromkeys(names)
        self.asked: dict[str, int] = {}
        self._now: str | None = None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"model_server": self}))
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self) -> "MiniatureServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, reply) to a request."""
        if path.endswith("/load_lora_adapter"):
            self.adapters[body["lora_name"]] = body["lora_path"]
            return 200, {}
        name = body["model"]
        if name not in self.adapters:
            return 404, {"error": {"message": f"The model `{name}` does not exist."}}
        sampling = Sampling(**{key: body[key] for key in ("temperature", "top_p", "max_tokens")})
        with self._lock:
            if self._now != self.adapters[name]:
                self.sampler.use_adapter(self.adapters[name])
                self._now = self.adapters[name]
            found = self.sampler.sample_tokens([body["prompt"]] * body["n"], sampling, body["seed"])
        self.asked[name] = self.asked.get(name, 0) + len(found)
        choices = [{"text": one.text, "finish_reason": one.finish_reason} for one in found]
        return 200, {"choices": choices, "usage": {"completion_tokens": found[0].completion_tokens}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model_server: MiniatureServer

    def do_GET(self) -> None:
        self._send(200, {"data": [{"id": name} for name in self.model_server.adapters]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(*self.model_server.answer(self.path, body))

    def _send(self, status: int, reply: dict[str, Any]) -> None:
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
