import json
import os
import sys

import pytest

from longcot.files.paths import ROOT
from longcot.files.privacy import home_shortened, scrubbed


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LAB_API_KEY", "planted-key-1234")
    monkeypatch.setenv("LONGCOT_DATA", "/scratch/ada/data")


@pytest.mark.parametrize(
    "text, left",
    [
        (f'File "{ROOT}/lib/longcot/files.py", line 3', 'File "lib/longcot/files.py", line 3'),
        (f"cd {ROOT} && ls", "cd . && ls"),
        (f"{ROOT}-other/x", f"{ROOT}-other/x"),
        ("/home/ada/miniforge3/lib/x.py and /home/ada", "~/miniforge3/lib/x.py and ~"),
        ("/home/adamant/x", "/home/adamant/x"),
        ("/scratch/ada/data/problems/x.jsonl", "data:problems/x.jsonl"),
        ("/scratch/ada/models/q and the name ada", "/scratch/user/models/q and the name ada"),
        ("key planted-key-1234, refused", "key [LAB_API_KEY], refused"),
        ("token hf_" + "aB3" * 10 + " sk-" + "x" * 30, "token [key] [key]"),
        ("https://ada:secret@lab.example:8000/v1 is down", "https://lab.example:8000/v1 is down"),
        ("file:///home/ada/x", "file://~/x"),
        ("write to ada@lab.example, a/b@c and http://lab/x@y", "write to ada@lab.example, a/b@c and http://lab/x@y"),
        ("iVBORw0KG/home/ada/AAAA", "iVBORw0KG/home/ada/AAAA"),
        ("https://hub.example/ada/model", "https://hub.example/ada/model"),
    ],
)
def test_what_is_taken_out(text, left):
    assert scrubbed(text) == left


def test_a_short_value_of_a_key_is_no_secret(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "true")
    assert scrubbed("true enough") == "true enough"


def test_python_elsewhere():
    assert str(sys.prefix) not in scrubbed(f'File "{os.path.join(sys.prefix, "lib/x.py")}"')


def test_the_home_from_tilde():
    assert home_shortened("/home/ada/models/q") == "~/models/q"
    assert [home_shortened(path) for path in ("/home/ada", "/home/adam/x", "x")] == ["~", "/home/adam/x", "x"]


@pytest.mark.parametrize("write", [str, repr, json.dumps, lambda text: json.dumps(text, ensure_ascii=False),
                                   lambda text: json.dumps(repr(text))])  # fmt: skip
def test_odd_paths_and_keys_however_they_are_written(monkeypatch, write):
    monkeypatch.setenv("HOME", '/home/it\'s "é"\n{x}')
    monkeypatch.setenv("LAB_API_KEY", 'planted"key\\é')
    left = scrubbed(write('/home/it\'s "é"\n{x}/models with planted"key\\é'))
    assert left.strip("'\"") in ("~/models with [LAB_API_KEY]", "'~/models with [LAB_API_KEY]'")
