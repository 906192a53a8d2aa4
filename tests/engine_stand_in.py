"""A small server in vLLM's place, which starts, answers, dies and clings to life as FAULTS in its environment says.

`python engine_stand_in.py serve MODEL --port N …` answers completions as `scripted_server` does. FAULTS is JSON:
`start_s` (seconds before it listens), `flags` (refuse the words), `memory` (end for want of it), `starts` (a file that
counts starts) with `fail_first` (so many starts end at once), `die_after` (requests of one start), `deaf` (a process
that it starts, and it itself, do not hear SIGTERM), `worker` (a process that it starts, which it ends at SIGTERM alone,
and which takes a name as setproctitle does: over its own environment, unless SPT_NOENV is set), `port` (listens at
another), `together` (answers when so many models have been asked for), `stall_after` (requests of one start, then
answers no more).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS = json.loads(os.environ.get("FAULTS", "{}"))
KEY = Path(sys.argv[sys.argv.index("--config") + 1]).read_text().removeprefix("api-key:").strip()


def answer(body: dict) -> dict:
    """Texts that differ with the prompt, the model and the place."""
    texts = [f"{sum(body['prompt'])} {body['model']} {n} so \\boxed{{3}}" for n in range(body.get("n", 1))]
    ended = {"finish_reason": "stop", "token_ids": [0] * 5}
    choices = [{"index": n, "text": text} | ended for n, text in enumerate(texts)]
    return {"choices": choices, "usage": {"prompt_tokens": len(body["prompt"]), "completion_tokens": 5 * len(texts)}}


class Handler(BaseHTTPRequestHandler):
    """Models and completions, for whoever has the key."""

    protocol_version = "HTTP/1.1"
    asked = 0
    models: list[str] = []
    met: set[str] = set()
    meeting = threading.Condition()

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.send({"data": [{"id": name, "max_model_len": 256, "owned_by": "vllm"} for name in self.models]})
        else:
            self.send({"version": "0.0.0"} if self.path == "/version" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Handler.asked += 1
        if FAULTS.get("stall_after") and Handler.asked > FAULTS["stall_after"]:
            time.sleep(600)
        with Handler.meeting:
            Handler.met.add(body["model"])
            Handler.meeting.notify_all()
            Handler.meeting.wait_for(lambda: len(Handler.met) >= FAULTS.get("together", 1))
        if FAULTS.get("die_after") and Handler.asked > FAULTS["die_after"]:
            os.kill(os.getpid(), signal.SIGKILL)
        self.send(answer(body))

    def send(self, reply: dict) -> None:
        allowed = self.headers.get("Authorization") == f"Bearer {KEY}" or not self.path.startswith("/v1")
        data = json.dumps(reply if allowed else {"error": {"message": "no"}}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


WORKER = "import engine_stand_in as own, time; own.take_name(); time.sleep(600)"


def take_name() -> None:
    """Write over this process's environment, where setproctitle would."""
    if not os.environ.get("SPT_NOENV"):
        start, end = map(
            int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47:49]
        )  # env_start, env_end
        ctypes.memset(start, 0, end - start)


def main(words: list[str]) -> None:
    """Serve, or fail as FAULTS says."""
    print("INFO starting", words, f"api_key: {KEY}", flush=True)  # as vLLM does
    if not Path(words[1], "config.json").is_file():
        sys.exit(f"OSError: {words[1]} is no model")
    started = 1
    if counted := FAULTS.get("starts"):
        with open(counted, "a") as file:
            file.write(json.dumps(words) + "\n")
        started = len(Path(counted).read_text().splitlines())
    if FAULTS.get("flags"):
        sys.exit("vllm: error: unrecognized arguments: --max-lora-rank")
    if FAULTS.get("memory"):
        print("(EngineCore_0 pid=7) ERROR 11-26 [core.py:7] ValueError: No available memory for the cache blocks.")
        sys.exit("RuntimeError: Engine core initialization failed. See root cause above.")
    if started <= FAULTS.get("fail_first", 0):
        sys.exit("OSError: [Errno 98] Address already in use")
    if FAULTS.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
    if FAULTS.get("worker"):
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(counted)], cwd=Path(__file__).parent)
        signal.signal(signal.SIGTERM, lambda *_: (worker.kill(), os._exit(0)))
    time.sleep(FAULTS.get("start_s", 0))
    names = words[words.index("--served-model-name") + 1 :] if "--served-model-name" in words else []
    Handler.models = [name for name in names if not name.startswith("-")][:1]
    if "--lora-modules" in words:
        Handler.models += [word.split("=")[0] for word in words[words.index("--lora-modules") + 1 :]]
    server = ThreadingHTTPServer(("127.0.0.1", int(words[words.index("--port") + 1])), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
