"""JupyterLab for tests, as `make lab` starts it, but on a free port, with folders of its own for all that it keeps, and
asking nobody outside.

with jupyter_lab(tmp_path) as address:
    with open_page(address("notebook.ipynb")) as opened: ...
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from longcot.files.paths import ROOT

KEPT = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
NEWS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
TOKEN = "a-token-of-the-test"
OPTIONS = re.search(r"-m jupyter lab (.*)", (ROOT / "Makefile").read_text())[1].split()


@contextmanager
def jupyter_lab(folder: Path, wait_s: float = 60) -> Iterator[Callable[[str], str]]:
    """JupyterLab on a folder; gives a function from the path of a notebook in it to its address."""
    settings = folder / "lab/settings"
    (settings / NEWS).parent.mkdir(parents=True)
    (settings / NEWS).write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    own = {name: str(folder / "lab" / name) for name in KEPT} | {"JUPYTERLAB_SETTINGS_DIR": str(settings)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}", "--ServerApp.port_retries=0"]
    command += ["--ServerApp.jpserver_extensions={'jupyter_lsp': False, 'jupyter_server_terminals': False}"]
    command += OPTIONS
    with open(folder / "lab/log.txt", "w") as log:
        lab = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", lab, time.monotonic() + wait_s)
        yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}?token={TOKEN}"
    finally:
        lab.terminate()  # it ends its kernels
        try:
            lab.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(lab.pid, signal.SIGKILL)
            lab.wait()


def _wait_for(address: str, lab: subprocess.Popen, until: float) -> None:
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError as error:
            assert lab.poll() is None and time.monotonic() < until, f"JupyterLab did not start: {error}"
            time.sleep(0.2)
