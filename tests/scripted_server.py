"""An OpenAI-compatible server in a thread that answers at once, or as its script says."""

import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from longcot.problems.problem import Problem
from longcot.sampling.settings import Sampling
from longcot.traces.trace import Key, read_traces

PROBLEMS = [Problem(id=f"p{n}", problem=f"What is {n} + 1?", expected_answer="3") for n in range(6)]
SAMPLING = Sampling(temperature=0.6, top_p=0.95, max_tokens=40, samples=4, seed=7)
KEYS = {(problem.id, sample, "") for problem in PROBLEMS for sample in range(4)}


@dataclass
class Reply:
    """What to send: a status and a body; `cut` bytes of it only, after `stall_s`, or nothing but a reset."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall_s: float = 0.0
    reset: bool = False


def error(status: int, message: str, **headers: str) -> Reply:
    """An error as vLLM and OpenAI put it."""
    return Reply(status, {"error": {"message": message, "type": "x", "param": None, "code": status}}, headers)


def answer(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A good reply to a request; the texts differ with the prompt, the seed and the place."""
    choices = []
    for index in range(body.get("n", 1)):
        tag = hashlib.sha256(json.dumps([body.get("prompt"), body.get("messages"), body.get("seed"), index]).encode())
        text, choice = f"{tag.hexdigest()[:6]} so \\boxed{{3}}", {"index": index, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}
        choices.append(choice | ({"token_ids": [0] * (5 + index)} if body.get("return_token_ids") else {}) | changes)
    return {"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": 5 * len(choices)}}


class ScriptedServer:
    """Serves `models`; `script(number, body)` may give another Reply to the completion request of that number.

    `asked` are the bodies of the completion requests, `keys` the Authorization headers, `loaded` the adapters, `pages`
    what it says of itself by path. `certificate` is a file of a certificate and its key, with which it speaks https.
    """

    def __init__(
        self,
        script: Callable[[int, dict], Reply | None] | None = None,
        models: tuple[str, ...] = ("m",),
        certificate: Path | None = None,
    ):
        self.pages: dict[str, Reply] = {}
        self.certificate = certificate
        self.script, self.asked, self.keys, self.loaded = script or (lambda number, body: None), [], [], []
        self.cards = [{"id": name, "max_model_len": None} for name in models]
        self.takes_adapters, self.port, self._lock = True, 0, threading.Lock()
        self.start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Listen, at the same port as before."""
        owner, self._open = self, set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                owner._open.add(self.connection)

            def log_message(self, *_):
                pass

            def do_GET(self):
                models = Reply(body={"data": owner.cards}) if self.path == "/v1/models" else error(404, "Not Found")
                self.send(owner.pages.get(self.path, models))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner._lock:
                    reply = owner.reply(self.path, body, self.headers.get("Authorization"))
                self.send(reply)

            def send(self, reply: Reply) -> None:
                time.sleep(reply.stall_s)
                if reply.reset:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: reply.cut])
                self.close_connection = reply.cut is not None

        class Server(ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 512

            def handle_error(self, *_):
                pass  # the client went away

        self._server = Server(("127.0.0.1", self.port), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def reply(self, path: str, body: dict, key: str | None) -> Reply:
        """What the script says, or the usual."""
        if path == "/v1/load_lora_adapter" and self.takes_adapters:
            self.loaded.append(body)
            self.cards.append({"id": body["lora_name"], "parent": self.cards[0]["id"]})
            return Reply(body="Success")
        if path not in ("/v1/completions", "/v1/chat/completions"):
            return error(404, "Not Found")
        self.asked.append(body)
        self.keys.append(key)
        if reply := self.script(len(self.asked) - 1, body):
            return reply
        if body["model"] not in [card["id"] for card in self.cards]:
            return error(404, f"The model `{body['model']}` does not exist.")
        return Reply(body=answer(body))

    def stop(self) -> None:
        """Die: nothing listens, and open connections are cut."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def free_url() -> str:
    """A URL at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def on_disk(folder: Path) -> set[Key]:
    """The keys of the traces in the folder's file; a key that stands twice raises."""
    return {trace.key for trace in read_traces(folder / "t.jsonl")}


def asked_samples(server: ScriptedServer) -> int:
    """How many samples the server was asked for."""
    return sum(body.get("n", 1) for body in server.asked)
