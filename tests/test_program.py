"""The program `longcot` as it is typed: help, mistyped words, exit statuses, and how little it loads."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib

import pytest
import yaml

from longcot import __version__
from longcot.__main__ import COMMANDS, main
from longcot.files.errors import BadInput, command
from longcot.files.paths import ROOT, resolve
from longcot.traces.trace import Trace, write_traces

MINIATURE = "params/miniature.yaml"
HEAVY = ("torch", "transformers", "pandas", "matplotlib", "papermill", "nbconvert")


def left(words: list[str], capsys) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of the program with these words."""
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_reads_writes_and_returns(name, capsys):
    status, said, _ = left([name, "--help"], capsys)
    assert status == 0 and said.startswith(f"usage: longcot {name}")
    for word in ("Reads", "Writes", "Returns"):
        assert re.search(rf"^{word}: +\S", said, re.M), word
    (example,) = re.findall(r"^Example: +longcot (\S+) ", said, re.M)
    assert example == name and "default: %" not in said
    assert f"  {name} " in left(["--help"], capsys)[1]


@pytest.mark.parametrize(
    "change, words",
    [
        ("lora.target_modules=[q_proj, v_prj]", "lora.target_modules: the base has no module 'v_prj'; it has v_proj"),
        ("lora.modules_to_save=[head]", "lora.modules_to_save: the base has no module 'head'; name one, as lm_head"),
    ],
)
@pytest.mark.parametrize("name", ["check", "run"])
def test_a_misspelt_module_is_refused_before_anything_runs(name, change, words, capsys, monkeypatch):
    monkeypatch.setattr("longcot.run.launch.run", None)
    status, _, said = left([name, MINIATURE, "--config", change], capsys)
    assert (status, said) == (1, f"error: miniature: arm reasoner-20-a: {words}\n")


def test_alone_it_lists_its_commands(capsys):
    assert left([], capsys) == left(["--help"], capsys) == left(["-h"], capsys)
    status, said, _ = left([], capsys)
    assert status == 0 and re.findall(r"^  (\w+) +[A-Z].*\.$", said, re.M) == list(COMMANDS)


def test_its_version_is_the_package_s(capsys):
    assert left(["--version"], capsys) == (0, f"longcot {__version__}\n", "")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__ and project["scripts"] == {"longcot": "longcot.__main__:main"}


@pytest.mark.parametrize(
    "words, message",
    [
        ("pln x", "no command pln; did you mean plan?"),
        ("serving", "no command serving; use one of init, keys, check, plan, "),
        ("--versoin", "no option --versoin; did you mean --version?"),
        (f"check {MINIATURE} --confg a=b", "no option --confg; did you mean --config?"),
        (f"plan {MINIATURE} --coers=2", "no option --coers; did you mean --cores?"),
        (f"plan {MINIATURE} --dry-run", "no option --dry-run; use one of --help, --cores, "),
        (f"run {MINIATURE} --dry-run", r"no option --dry-run; .*; Snakemake's own options come after --"),
        (f"plan {MINIATURE} --cores 0", "--cores: 0 is no number from 1 on"),
        (f"plan {MINIATURE} {MINIATURE}", "one argument too many: params/miniature.yaml"),
        ("plan", "required: STUDY"),
        ("init x.yaml --problems p --traces t", "required: --model"),
        ("regrade", "required: FILE"),
        ("merge a b c --dtype bf16", "invalid choice: 'bf16'"),
        ("publish params hub", "ARM is missing: longcot publish RUN ARM FOLDER"),
    ],
)
def test_words_that_are_not_understood_are_one_line_and_status_2(words, message, capsys):
    status, said, error = left(words.split(), capsys)
    assert (status, said, error.count("\n")) == (2, "", 1)
    assert re.match(f"error: .*{message}", error) and "--help says more)" in error


@pytest.mark.parametrize(
    "words, message",
    [
        ("check params/miniatur.yaml", "params/miniatur.yaml: no such study"),
        ("check params", "params: no study.yaml in it; give a study file, or the directory of a run"),
        ("check Makefile --config a", "Makefile:"),
        (f"plan {MINIATURE} --config sampling.sample=8", "did you mean 'samples'"),
        (f"run {MINIATURE} --profile slrm", "profile slrm: no config.yaml there"),
        ("init Makefile --model a --problems b --traces c", "a study is a file of YAML; call it Makefile.yaml"),
        ("status params", "params: no jobs.json and study.yaml in it"),
        ("compare params", "params: no study.yaml in it"),
        ("figures params", "params: no study.yaml in it"),
        ("report params", "no executed notebook"),
        ("regrade params", "params: no traces in it"),
        (f"regrade {MINIATURE}", "miniature.yaml:1: not a trace"),
        ("publish params x hub", "params: no study.yaml in it"),
        ("publish params/none.jsonl hub", "params/none.jsonl: no such file"),
        ("ship params", "params: no tables or no study.yaml in it"),
        ("job params 04_plot_evaluation", "params: no jobs.json in it"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_status_1(words, message, capsys):
    status, said, error = left(words.split(), capsys)
    assert (status, said, error.count("\n")) == (1, "", 1), error
    assert error.startswith("error: ") and message in error
    assert not (ROOT / "hub").exists()


CHECKED = (
    "  checked: keys and values, 256 training problems, 128 benchmark problems, "
    "whether reasoner, instruct can give as many traces as arms want, 3 folders of models\n"
)


@pytest.fixture
def run_dir():
    """The directory of a run of the miniature study under a name of its own."""
    name = f"test-{os.getpid()}-program"
    run = resolve(f"runs/{name}")
    run.mkdir(parents=True)
    study = yaml.safe_load((ROOT / MINIATURE).read_text())
    (run / "study.yaml").write_text(yaml.safe_dump(study | {"name": name}))
    yield run
    for folder in (run, run.with_name(f"{name}-copy")):
        shutil.rmtree(folder, ignore_errors=True)


def test_a_run_directory_stands_for_its_study(run_dir, capsys, monkeypatch):
    monkeypatch.chdir(run_dir.parent)
    given = f"runs/{run_dir.name}"
    assert left(["check", run_dir.name, MINIATURE], capsys) == (
        0, f"{given}: nothing wrong\n{CHECKED}{MINIATURE}: nothing wrong\n{CHECKED}", ""
    )  # fmt: skip
    copy = run_dir.rename(run_dir.with_name(f"{run_dir.name}-copy"))
    assert left(["check", copy.name], capsys) == (0, f"{given}-copy: nothing wrong\n{CHECKED}", "")
    status, said, error = left(["plan", str(copy)], capsys)
    assert (status, said) == (1, "")
    fix = f"give {given}-copy/study.yaml if you mean to run it there"
    assert error == f"error: {given}-copy: its study runs in {given}; {fix}\n"


def test_regrade_takes_files_and_runs_and_leaves_none_out(run_dir, capsys):
    def trace(correct):
        given = {"problem_id": "p", "sample": 0, "problem": "1+1?", "expected_answer": "2", "model": "m"}
        return Trace(**given, text=r"\boxed{2}", answer="2", correct=correct)

    first, second = (run_dir / f"traces/{arm}/benchmark.jsonl" for arm in "ab")
    write_traces(first, [trace(False)])
    write_traces(second, [trace(True)])
    status, said, error = left(["regrade", "none.jsonl", str(run_dir), str(second)], capsys)
    assert status == 1 and error == "error: none.jsonl: no such file of traces; generate them first\n"
    changed = re.findall(r"traces/(.)/benchmark\.jsonl: (\d) verdicts changed", said)
    assert changed == [("a", "1"), ("b", "0"), ("b", "0")]


def test_a_job_that_is_not_there(run_dir, capsys):
    (run_dir / "jobs.json").write_text('[{"name": "04_plot_evaluation", "notebook": "", "parameters": {}}]')
    status, _, error = left(["job", str(run_dir), "04_plot_evaluations"], capsys)
    assert status == 1 and "no job 04_plot_evaluations; did you mean 04_plot_evaluation?" in error


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["plan", "--help"], ["check", MINIATURE]])
def test_what_comes_at_once_loads_nothing_heavy(words):
    code = "import sys; from longcot.__main__ import main\n"
    code += "try: status = main(sys.argv[1:])\nexcept SystemExit as end: status = end.code\n"
    code += f"print(status, sorted({set(HEAVY)} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.stderr == "0 []\n"


def test_the_end_of_a_program_is_a_status(capsys):
    def ends(error: BaseException) -> tuple[int, str]:
        @command
        def program():
            raise error

        return program(), capsys.readouterr().err

    assert command(lambda: None)() == 0 and command(lambda: 3)() == 3
    assert ends(BadInput("x: wrong")) == (1, "error: x: wrong\n")
    assert ends(PermissionError(13, "Permission denied", "x")) == (
        1, "error: x: Permission denied; give yourself the right to it\n"
    )  # fmt: skip
    assert ends(KeyboardInterrupt()) == (130, "error: interrupted\n")


def test_nobody_reads_on():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "longcot"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_make_lists_its_targets():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert re.findall(r"^make (\w+) +\S", said, re.M) == targets
    assert {"STUDY", "CORES", "PROFILE", "ARGS", "CONFIG"} <= set(re.findall(r"^([A-Z_]+)= +\S", said, re.M))
    own = ["STUDY=params/a b.yaml", "CORES=2", "CONFIG=a=1 b=2", "ARGS=--dry-run -q"]
    words = ["make", "--no-print-directory", "-n", "-o", ".venv/.ready", "study", *own]
    made = shlex.split(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert made[1:3] == ["run", "params/a b.yaml"]
    assert made[3:] == "--config a=1 --config b=2 --cores 2 -- --dry-run -q".split()
