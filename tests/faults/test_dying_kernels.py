"""A kernel dies, a cell raises, a notebook is interrupted: the copy stays readable, and the next run goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from notebook_cells import write_notebook

from longcot.__main__ import main
from longcot.run import notebook as notebooks

pytest_plugins = ["small_disk"]
AGAIN = "run the same command again"
ENDS = {
    "exit": ("import os; os._exit(1)", "the kernel died, out of memory most often"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the kernel died"),
    "raises": ("1 / 0", "ZeroDivisionError: division by zero (executed copy: a.ipynb, cell 4)"),
    "interrupted": ("import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", "by hand; " + AGAIN),
    "memory": ("raise MemoryError('Unable to allocate 9 TiB')", "out of memory (Unable to allocate 9 TiB); run fewer"),
    "full disk": ("raise OSError(28, 'No space left on device', 'x')", "MB are free; make room, then " + AGAIN),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one notebook, with a function that gives it a middle cell, and its run directory."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    run = tmp_path / "run"
    run.mkdir()
    (run / "jobs.json").write_text(
        json.dumps([{"name": "a", "notebook": "n", "parameters": {"x": 2}, "resources": {}, "per_gpu": 1}])
    )

    def write(middle: str) -> None:
        write_notebook(tmp_path / "notebooks/n.ipynb", "x: int = 1", "print('so far', x)", middle, "'end'")

    return write, run


def executed(run) -> str:
    """All outputs of the executed copy, which must be a notebook."""
    notebook = nbformat.read(run / "notebooks/a.ipynb", as_version=4)
    nbformat.validate(notebook)
    return str([cell.get("outputs", cell.source) for cell in notebook.cells])


@pytest.mark.parametrize("end", ENDS)
def test_the_run_directory_says_what_failed_and_the_next_run_goes_on(project, capfd, end):
    write, run = project
    cell, words = ENDS[end]
    write(cell)
    assert main(["job", str(run), "a"]) == 1
    (said,) = (run / "notebooks/a.error.txt").read_text().splitlines()
    assert said.startswith("error: ") and words in said and said in capfd.readouterr().err
    assert "so far 2" in executed(run) and "'end'" not in executed(run)
    write("pass")
    assert main(["job", str(run), "a"]) == 0
    assert "'end'" in executed(run) and not (run / "notebooks/a.error.txt").exists()


def test_control_c_ends_the_notebook_and_its_kernel(project):
    write, run = project
    write("import os, time\nwith open('pid', 'w') as file: print(os.getpid(), file=file)\ntime.sleep(60)")
    code = "import sys; from pathlib import Path; from longcot.__main__ import main; from longcot.run import notebook\n"
    code += "notebook.ROOT = Path(sys.argv[1]); sys.exit(main(['job', sys.argv[2], 'a']))"
    command = [sys.executable, "-c", code, str(run.parent), str(run)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (run.parent / "pid").exists() or not (run.parent / "pid").read_text():
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and said.startswith(f"error: interrupted by hand; {AGAIN}")
    assert said.count("\n") == 1, "nothing of Jupyter's libraries"
    kernel = int((run.parent / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(kernel, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the kernel lives on")
    assert "so far 2" in executed(run)


def test_a_job_on_a_full_disk_goes_on_when_there_is_room(project, disk, capfd):
    write, run = project
    full = disk.path / "run"
    run.rename(tmp := run.with_name("elsewhere"))
    full.mkdir()
    (full / "jobs.json").write_text((tmp / "jobs.json").read_text())
    write(
        "from longcot.files.writing import write_whole\n"
        f"for i in range(9): write_whole('{full}/table%d.csv' % i, 'x' * 60_000)"
    )
    assert main(["job", str(full), "a"]) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1 and "is full, 0.1 MB are free; make room" in said[0], said
    made = {path.name: path.read_text() for path in full.glob("*.csv")}
    assert 3 <= len(made) < 9 and set(made.values()) == {"x" * 60_000}
    executed(full)
    disk.remount("size=4m")
    assert main(["job", str(full), "a"]) == 0
    assert len(list(full.glob("*.csv"))) == 9 and "'end'" in executed(full)
