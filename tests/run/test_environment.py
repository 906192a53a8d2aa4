"""Odd places and bare environments: a project, a notebook and a process where little is as usual."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from notebook_cells import write_notebook

from longcot.files import paths
from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, data_folder, display_path, home, resolve
from longcot.files.privacy import home_shortened, scrubbed
from longcot.problems.sources import load_problems
from longcot.run.environment import prepare, temporary_folder
from longcot.run.kernel import OwnKernel
from longcot.run.notebook import run_notebook

ODD = "a b#{c}%s'\"é\n[x]$HOME"


@pytest.fixture(autouse=True)
def same_environment():
    """What a test's process sets for those that it starts ends with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A process of a user without a name and a home, in an empty environment."""

    def unknown(uid: int):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"longcot-{os.getuid()}"


def test_an_empty_environment_is_filled(nobody):
    prepare()
    assert os.environ["PATH"] and os.environ["LOGNAME"] == f"uid{os.getuid()}" and os.environ["HOME"] == str(nobody)
    assert os.environ["XDG_CACHE_HOME"] == str(nobody / ".cache") and nobody.stat().st_mode & 0o777 == 0o700
    assert Path(os.environ["JUPYTER_RUNTIME_DIR"]).is_relative_to(nobody) and "HF_HOME" not in os.environ


def test_without_a_home_paths_are_as_they_are(nobody):
    assert home() is None and home_shortened("/home/ada/x") == "/home/ada/x" and scrubbed("/usr/x.py") == "/usr/x.py"
    with pytest.raises(BadInput, match=r"^~/x: this user has no home directory; set HOME, or write the whole path$"):
        resolve("~/x")


@pytest.mark.parametrize("kind", ["missing", "a file", "read-only"])
def test_a_home_that_cannot_be_written_is_left_alone(monkeypatch, tmp_path, kind):
    own = tmp_path / "home"
    if kind == "read-only":
        (own / ".cache/huggingface").mkdir(parents=True)
        able = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(own)) and able(path, mode))
    elif kind == "a file":
        own.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(own))
    prepare()
    assert os.environ["HOME"] == str(own)
    assert os.environ["XDG_CACHE_HOME"] == str(temporary_folder() / ".cache") and (
        temporary_folder().parent == tmp_path
    )
    models = str(own / ".cache/huggingface")  # what was downloaded is found as before
    assert os.environ["HF_HOME"] == (models if kind == "read-only" else "")


def test_a_home_as_usual_stays_in_use(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "TRITON_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPYTHONDIR", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare()
    assert "XDG_CACHE_HOME" not in os.environ and "JUPYTER_RUNTIME_DIR" not in os.environ


def test_a_temporary_folder_is_ours(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"longcot-{os.getuid()}").symlink_to(tmp_path)
    assert temporary_folder().name.startswith("longcot-") and not temporary_folder().is_symlink()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"^no folder for temporary files can be written to \(.*\); set TMPDIR to one"):
        temporary_folder()


def test_a_relative_folder_of_data(monkeypatch, tmp_path):
    (tmp_path / ODD).mkdir()
    (tmp_path / ODD / "p.jsonl").write_text('{"problem": "1+1?", "expected_answer": "2"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(paths.DATA, ODD)
    assert resolve("data:p.jsonl") == tmp_path / ODD / "p.jsonl" and len(load_problems("data:p.jsonl")) == 1
    assert display_path(tmp_path / ODD / "p.jsonl") == "data:p.jsonl"
    prepare()
    monkeypatch.chdir(ROOT)
    assert data_folder() == tmp_path / ODD, "a job in another directory finds it"
    monkeypatch.setenv(paths.DATA, "params")
    monkeypatch.chdir(tmp_path)
    assert resolve("data:x") == ROOT / "params/x", "from the project's root, as a notebook has it"


@pytest.mark.parametrize("name", ["[a]", "a*", "a?", "a\nb", "a::b"])
def test_a_folder_that_datasets_would_take_for_a_pattern(tmp_path, name):
    (tmp_path / name / "copy").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"^copy: `datasets` reads no folder below a path with '.*'; rename it$"):
        load_problems(tmp_path / name / "copy")


def test_an_error_is_one_line_whatever_the_path(tmp_path):
    with pytest.raises(BadInput) as raised:
        load_problems(tmp_path / "a\nb\x1b\t.jsonl")
    assert (
        str(raised.value)
        == "a⟨U+000A⟩b⟨U+001B⟩⟨U+0009⟩.jsonl: no such file; relative paths of a study are looked for in the project"
    )


def test_each_kernel_has_sockets_of_its_own():
    one, other = OwnKernel(kernel_name="python3"), OwnKernel(kernel_name="python3")
    for kernel in (one, other):
        kernel.write_connection_file()
    assert one.transport == "ipc" and one.ip != other.ip
    assert all(Path(kernel.ip).is_relative_to(tempfile.gettempdir()) for kernel in (one, other))
    for kernel in (one, other):
        kernel.cleanup_connection_file()
        assert not Path(kernel.connection_file).exists()


def test_a_notebook_runs_in_this_interpreter_wherever_it_lies(monkeypatch, tmp_path):
    """Another kernel is installed as python3, and IPython has a start-up file of the user's."""
    folder = tmp_path / ODD
    (folder / "kernels/python3").mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "other", "language": "python"}
    (folder / "kernels/python3/kernel.json").write_text(json.dumps(spec))
    (folder / "home/.ipython/profile_default/startup").mkdir(parents=True)
    (folder / "home/.ipython/profile_default/startup/own.py").write_text("raise SystemExit\n")
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("IPYTHONDIR", "")
    write_notebook(folder / "{n}.ipynb", "n: int = 1  # a number", "import sys; print(n, sys.executable)")
    run_notebook(folder / "{n}.ipynb", folder / "out/{n}.ipynb", {"n": 2})
    (out,) = nbformat.read(folder / "out/{n}.ipynb", as_version=4).cells[-1].outputs
    assert out.text == scrubbed(f"2 {sys.executable}\n")


@pytest.mark.parametrize("length, sockets", [(1, "ipc"), (90, "tcp")])
def test_a_kernel_needs_no_port_that_another_may_take(monkeypatch, tmp_path, length, sockets):
    """But where the folder for temporary files is too deep for a socket."""
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / ("t" * length)).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", f"{temporary}/{'t' * length}")
        source = "from ipykernel.connect import get_connection_info as info; print(info(unpack=True)['transport'])"
        write_notebook(tmp_path / "n.ipynb", "n: int = 1", source)
        run_notebook(tmp_path / "n.ipynb", tmp_path / "out.ipynb", {})
        (out,) = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1].outputs
        assert out.text == f"{sockets}\n" and not list(Path(tempfile.tempdir).glob("*ipc*"))


def test_a_project_wherever_it_lies(tmp_path):
    """A copy of it at an odd path: Snakemake finds the study's jobs, in a bare environment."""
    project = tmp_path / ODD
    for folder in ("lib/longcot", "notebooks", "params"):
        leave = shutil.ignore_patterns("weights", "results", "__pycache__")
        shutil.copytree(ROOT / folder, project / folder, ignore=leave)
    (project / "t.jsonl").write_text('{"q": "1+1?", "a": "2", "t": "2"}\n')
    imported = "{source: t.jsonl, keys: {problem: q, expected_answer: a, text: t}}"
    arm = "{name: few, use: curate, data: {teacher: mine, n: 1}}"
    study = f"name: s\ntitle: s\ntraining_traces: [{{name: mine, imported: {imported}}}]\narms: [{arm}]\n"
    (project / "a {study}#1.yaml").write_text(study)
    words = [sys.executable, "-m", "longcot", "run", "a {study}#1.yaml", "--", "--dry-run"]
    bare = {"PYTHONPATH": str(project / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, cwd=project, env=bare)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout + done.stderr for word in ("generate_traces", "analyze_curation", "report"))


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "data:" + "é" * 200 + "/p.jsonl"])
def test_what_cannot_be_a_path_is_said(name):
    with pytest.raises(BadInput, match=r"…: cannot be a path; names have at most 255 bytes, and none of them is zero"):
        load_problems(name)
