"""Two processes at one file: the second is told, or waits, and neither half a file nor a lost line comes of it."""

import json
import subprocess
import sys
import time

import pytest
from small_disk import PROBLEMS, SAMPLING, LongWinded

from longcot.files.errors import BadInput
from longcot.files.manifest import Product
from longcot.files.writing import write_whole
from longcot.grading.regrade import regrade_file
from longcot.sampling.generate import generate_traces
from longcot.traces.trace import TraceWriter, held, read_traces

BUSY = "another process is writing this file; wait for it or stop it"


def start(code: str, *words: object) -> subprocess.Popen:
    command = [sys.executable, "-c", f"import sys; sys.path += {sys.path!r}\n{code}", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sample(path):
    return generate_traces(LongWinded(lambda: time.sleep(0.05)), PROBLEMS, path, SAMPLING, model="m", progress=False)


def test_two_that_sample_into_one_file(tmp_path):
    whole, file = sample(tmp_path / "whole.jsonl").read_bytes(), tmp_path / "t.jsonl"
    code = "from pathlib import Path; from test_two_writers import sample; sample(Path(sys.argv[1]))"
    pair = [start(code, file) for _ in range(2)]
    said = [one.communicate()[1] for one in pair]
    assert 0 in [one.returncode for one in pair]
    assert all(one.returncode == 0 or BUSY in words for one, words in zip(pair, said, strict=True))
    assert file.read_bytes() == whole


def test_grading_again_and_making_anew_leave_a_file_alone_that_is_being_written(tmp_path):
    file = tmp_path / "t.jsonl"
    Product(file, {"a": 1})
    sample(file)
    content = file.read_bytes()
    with TraceWriter(file) as writer:
        code = "from longcot.__main__ import main; sys.exit(main(['regrade', *sys.argv[1:]]))"
        assert BUSY in start(code, file).communicate()[1]
        with pytest.raises(BadInput, match=BUSY):
            Product(file, {"a": 2})
        assert len(writer.done) == 32
    assert file.read_bytes() == content and not (tmp_path / "superseded").exists()
    with held(file), pytest.raises(BadInput, match=BUSY), TraceWriter(file):
        pass
    assert regrade_file(file) == 0 and len(read_traces(file)) == 32


def test_a_file_that_two_write_whole_is_one_of_the_two(tmp_path):
    file = tmp_path / "table.json"
    code = "import json; from longcot.files.writing import write_whole\n"
    code += (
        "for i in range(60): write_whole(sys.argv[1], json.dumps([int(sys.argv[2]) * i] * (3000 * int(sys.argv[2]))))"
    )
    pair = [start(code, file, place) for place in (1, 2)]
    seen = 0
    while any(one.poll() is None for one in pair):
        if file.exists():
            assert len(json.loads(file.read_text())) in (3000, 6000)
            seen += 1
    assert [one.communicate()[1] for one in pair] == ["", ""] and seen > 3
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]
    write_whole(file, "1")
    assert file.read_text() == "1"


def test_who_makes_the_same_folder_waits(tmp_path):
    code = "import time; from pathlib import Path; from longcot.files.writing import locked, whole_folder\n"
    code += "path = Path(sys.argv[1])\nwith locked(path), whole_folder(path) as folder:\n"
    code += "    for i in range(20): (folder / str(i)).write_text('x'); time.sleep(0.01)"
    pair = [start(code, tmp_path / "adapter") for _ in range(2)]
    assert [one.communicate()[1] for one in pair] == ["", ""]
    assert len(list((tmp_path / "adapter").iterdir())) == 20
