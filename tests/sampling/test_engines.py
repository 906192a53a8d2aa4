"""The life of an engine, with a small server in vLLM's place: start, arms, end, death, restart, and what goes wrong."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from scripted_server import KEYS, PROBLEMS

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.files.processes import marked
from longcot.models.cards import Card
from longcot.run.launch import end_leftovers
from longcot.sampling.engines import engines as engines_module
from longcot.sampling.engines.engines import KEY, Engines
from longcot.sampling.engines.keeper import LINK, MARK
from longcot.sampling.engines.vllm import FORK, last_words, program
from longcot.sampling.server.open_files import BESIDE, MOST, connections
from longcot.sampling.task import SampleTask, sample_arm, sample_arms
from longcot.traces.trace import read_traces

STAND_IN = ROOT / "tests/engine_stand_in.py"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A function that puts the small server in vLLM's place, with faults; gives the file that has a line a start."""

    def make(**faults) -> Path:
        script, starts = tmp_path / "vllm", tmp_path / "starts.jsonl"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("VLLM", str(script))
        monkeypatch.setenv("FAULTS", json.dumps(faults | {"starts": str(starts)}))
        return starts

    monkeypatch.setattr(engines_module, "cards", lambda: [])
    return make


def pretend_cards(monkeypatch, count: int) -> None:
    """So many cards of 80 GB, of which little is in use."""
    own = [Card(str(n), f"GPU-{n}", 80.0, 0.0) for n in range(count)]
    monkeypatch.setattr(engines_module, "cards", lambda: own)
    monkeypatch.setattr(engines_module, "used_gb", lambda of: 0.1)


def arm(model, name="m", **changes) -> SampleTask:
    row = {"name": name, "base": {"path": str(model), "precision": "float32"}, "served_as": name, "engine": "vllm"}
    row |= {"traces": f"traces/{name}/benchmark.jsonl", "sampling": {"max_tokens": 40, "samples": 4, "seed": 7}}
    row["engine"] = {"restarts": 1, "start_s": 20.0} | changes.pop("engine", {})
    return SampleTask.model_validate(row | changes)


def ours() -> list[psutil.Process]:
    """All processes with an engine's mark that this test started."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ()
            found += [process] if MARK in own and own.get("FAULTS") == os.environ["FAULTS"] else []
        except psutil.Error:
            continue
    return found


def test_arms_of_one_base_share_one_start_and_leave_nothing(stand_in, tiny_model, tmp_path):
    starts = stand_in(start_s=0.5)
    tasks = [arm(tiny_model), arm(tiny_model, "again")]
    with Engines(tasks, tmp_path, "job") as engines:
        assert not engines.replicas, "nothing is started before an arm asks for it"
        for task in tasks:
            assert {trace.key for trace in read_traces(sample_arm(task, PROBLEMS, tmp_path, 1, engines))} == KEYS
        (replica,) = engines.replicas
        assert replica.alive and engines.started == 1
    assert not replica.alive and not ours()
    (words,) = [json.loads(line) for line in starts.read_text().splitlines()]
    assert words[:2] == ["serve", LINK] and words[words.index("--host") + 1] == "127.0.0.1"
    assert words[words.index("--served-model-name") + 1 :][:2] == ["m", "again"]
    assert (tmp_path / "engines/job-m.log").read_text().startswith("INFO starting")
    with Engines(tasks, tmp_path, "job") as engines:
        for task in tasks:
            sample_arm(task, PROBLEMS, tmp_path, 1, engines)
    assert len(starts.read_text().splitlines()) == 1, "what is done starts no engine"


def test_a_server_is_given_the_same_whenever_and_wherever_it_starts(stand_in, tiny_model, tmp_path, monkeypatch):
    """Else vLLM compiles its graphs anew at each start: it keeps them by its model's path and its variables."""
    starts, folders, given, keys = stand_in(), [], [], []
    monkeypatch.setenv("VLLM_CACHE_ROOT", "cache")
    for number in range(2):
        model = shutil.copytree(tiny_model, tmp_path / f"there-{number}")
        with Engines([arm(model)], tmp_path / f"run-{number}", "job") as engines:
            sample_arm(arm(model), PROBLEMS, tmp_path / f"run-{number}", 1, engines)
            (server,) = [one for one in ours() if str(STAND_IN) in one.cmdline()]
            folders.append(Path(server.cwd()))
            given.append({name: value for name, value in server.environ().items() if name.startswith("VLLM")})
            keys.append(os.environ[KEY])
            assert f"api_key: {keys[-1]}" in (log := engines.replicas[0].log).read_text()
            assert {path.stat().st_mode & 0o077 for path in (log, folders[-1])} == {0}, "for nobody else to read"
    first, second = [json.loads(line) for line in starts.read_text().splitlines()]
    port = first.index("--port") + 1
    assert first[:port] + first[port + 1 :] == second[:port] + second[port + 1 :] and given[0] == given[1]
    assert given[0]["VLLM_CACHE_ROOT"] == str(Path("cache").absolute()), "not in the folder that goes with the server"
    assert keys[0] != keys[1] and not any(key in f"{given}{first}{log.read_text()}" for key in keys)
    assert folders[0] != folders[1] and not any(folder.exists() for folder in folders)


def test_a_model_with_code_of_its_own_is_served_from_where_it_is(stand_in, tiny_model, tmp_path, monkeypatch):
    starts, base = stand_in(), {"path": str(tiny_model), "precision": "float32", "trust_remote_code": True}
    monkeypatch.chdir(tiny_model.parent)
    with Engines([task := arm(tiny_model, base=base)], tmp_path, "job") as engines:
        engines.serve(task, tiny_model.name, "float32")
    assert json.loads(starts.read_text())[1] == str(tiny_model), "transformers keeps its code by the folder's name"


def test_arms_of_one_engine_are_sampled_side_by_side(stand_in, tiny_model, tmp_path):
    starts = stand_in(together=3)
    tasks = [arm(tiny_model, name) for name in "abc"]
    files = sample_arms(tasks, PROBLEMS, tmp_path, job="job")
    assert list(files) == [task.traces for task in tasks] and len(starts.read_text().splitlines()) == 1
    assert all({trace.key for trace in read_traces(file)} == KEYS for file in files.values()) and not ours()


def test_as_many_arms_at_once_as_the_engine_and_open_files_bear(stand_in, tiny_model, tmp_path, monkeypatch):
    task = arm(tiny_model, engine={"concurrency": 8})
    with Engines([task], tmp_path, "job") as engines:
        assert engines.arms_at_once(task, 64) == 5, "16 requests of 4 samples, of which 8 are asked at once"
        assert engines.arms_at_once(task, 8) == 17, "four arms of 2 requests fit"
        monkeypatch.setattr(engines_module, "connections", lambda: 5)
        assert engines.arms_at_once(task, 8) == 2 and engines.arms_at_once(task, 64) == 1


def test_the_limit_on_open_files_is_raised_as_far_as_it_may_be():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 512), hard))
    try:
        assert connections() == most - BESIDE and resource.getrlimit(resource.RLIMIT_NOFILE)[0] == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_arm_that_fails_costs_the_others_nothing(stand_in, tiny_model, tmp_path):
    stand_in()
    tasks = [arm(tiny_model, "a", style="outline", adapter=str(tmp_path / "none")), arm(tiny_model, "b")]
    with pytest.raises(BadInput, match="none: no adapter_config.json"):
        sample_arms(tasks, PROBLEMS, tmp_path, job="job")
    stand_in(together=2)
    tasks = [arm(tiny_model, "a", context=3), arm(tiny_model, "b")]  # no prompt fits
    with pytest.raises(BadInput, match="not one of the .* prompts of stage '' leaves room"):
        sample_arms([tasks[0]], PROBLEMS, tmp_path, job="job")
    stand_in()
    with pytest.raises(BadInput, match="leaves room"):
        sample_arms(tasks, PROBLEMS, tmp_path, job="job")
    assert {trace.key for trace in read_traces(tmp_path / tasks[1].traces)} == KEYS and not ours()


INTERRUPTED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from test_engines import arm, PROBLEMS, engines_module, sample_arms
engines_module.cards = lambda: []
sample_arms([arm({model!r}, name) for name in "ab"], PROBLEMS, Path({run!r}), job="job")
"""


@pytest.mark.parametrize("number, faults", [(signal.SIGINT, {"stall_after": 3}), (signal.SIGTERM, {"start_s": 60})])
def test_signals_stop_all_arms_and_keep_what_came(stand_in, tiny_model, tmp_path, number, faults):
    starts = stand_in(**faults)
    path = [str(ROOT / "tests/sampling"), str(ROOT / "tests"), str(ROOT / "lib")]
    job = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.format(path=path, model=str(tiny_model), run=str(tmp_path))]
    )
    end, files = time.monotonic() + 60, [tmp_path / f"traces/{name}/benchmark.jsonl" for name in "ab"]
    written = lambda: sum(len(read_traces(file)) for file in files if file.is_file())  # noqa: E731
    while not starts.is_file() or (written() < 1 and "stall_after" in faults):
        assert job.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    job.send_signal(number)
    assert job.wait(60) != 0
    end = time.monotonic() + 20
    while ours() and time.monotonic() < end:  # SIGTERM ends the job at once: its keeper ends the server
        time.sleep(0.1)
    assert not ours() and (written() > 0) == ("stall_after" in faults)


def test_another_base_takes_the_place_of_the_first(stand_in, tiny_model, tmp_path):
    from conftest import make_model

    starts, other = stand_in(), make_model(tmp_path / "other", seed=1)
    tasks = [arm(tiny_model), arm(other, "other")]
    with Engines(tasks, tmp_path, "job") as engines:
        sample_arm(tasks[0], PROBLEMS, tmp_path, 1, engines)
        (first,) = engines.replicas
        sample_arm(tasks[1], PROBLEMS, tmp_path, 1, engines)
        assert not first.alive and engines.replicas[0].alive
    assert len(starts.read_text().splitlines()) == 2 and not ours()


def test_an_engine_that_dies_is_started_again_and_what_is_there_stays(stand_in, tiny_model, tmp_path):
    starts = stand_in(die_after=3)
    # One request at a time: of two, the one's reply could be lost with the server that the other ends.
    task = arm(tiny_model, engine={"restarts": 2, "concurrency": 1})
    with Engines([task], tmp_path, "job") as engines:
        traces = read_traces(sample_arm(task, PROBLEMS, tmp_path, 1, engines))
    assert {trace.key for trace in traces} == KEYS and len(traces) == len(KEYS)
    assert len(starts.read_text().splitlines()) == 2 and not ours()


def test_a_worker_that_outlives_its_server_is_ended_whatever_it_calls_itself(stand_in, tiny_model, tmp_path):
    starts = stand_in(worker=True, die_after=3)
    task = arm(tiny_model, engine={"restarts": 2, "concurrency": 1})
    with Engines([task], tmp_path, "job") as engines:
        sample_arm(task, PROBLEMS, tmp_path, 1, engines)
        assert engines.started == 2
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(starts) in (one.info["cmdline"] or ())]


def test_a_server_that_is_killed_is_waited_for_until_its_workers_are_gone(stand_in, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGCOT_GRACE_S", "12")  # longer than a client asks again
    starts = stand_in(deaf=True, die_after=3)
    task = arm(tiny_model, engine={"restarts": 2, "concurrency": 1})
    with Engines([task], tmp_path, "job") as engines:
        traces = read_traces(sample_arm(task, PROBLEMS, tmp_path, 1, engines))
        monkeypatch.setenv("LONGCOT_GRACE_S", "1")
    assert {trace.key for trace in traces} == KEYS and len(starts.read_text().splitlines()) == 2 and not ours()


def test_a_server_whose_keeper_is_killed_does_not_keep_its_clients_waiting(stand_in, tiny_model, tmp_path):
    starts = stand_in(deaf=True, stall_after=3)
    task = arm(tiny_model, engine={"restarts": 2, "concurrency": 2})
    with Engines([task], tmp_path, "job") as engines:

        def kill() -> None:
            while not engines.started:
                time.sleep(0.1)
            time.sleep(1)  # by now it stalls
            engines.replicas[0]._keeper.kill()

        killing = threading.Thread(target=kill)
        killing.start()
        traces = read_traces(sample_arm(task, PROBLEMS, tmp_path, 1, engines))
        killing.join()
        for process in ours():
            process.kill()  # deaf ones: their end is not what is tested here
    assert {trace.key for trace in traces} == KEYS and len(starts.read_text().splitlines()) == 2


def test_one_that_dies_once_too_often_says_its_last_words(stand_in, tiny_model, tmp_path):
    starts = stand_in(fail_first=9)
    with pytest.raises(BadInput, match="engine m: ended 2 times, the last time with: OSError: .*Address already"):
        with Engines([arm(tiny_model)], tmp_path, "job") as engines:
            sample_arm(arm(tiny_model), PROBLEMS, tmp_path, 1, engines)
    assert len(starts.read_text().splitlines()) == 2 and not ours()
    stand_in(fail_first=1)
    starts.unlink()
    with Engines([arm(tiny_model)], tmp_path, "job") as engines:  # the port was taken: the next start has another
        sample_arm(arm(tiny_model), PROBLEMS, tmp_path, 1, engines)


@pytest.mark.parametrize(
    "faults, message",
    [
        (
            {"memory": True},
            "No available memory for the cache blocks.; lower the model's context, or let",
        ),
        ({"flags": True}, "error: unrecognized arguments: --max-lora-rank; this vLLM does not know the words"),
    ],
)
def test_what_to_change_is_said(stand_in, tiny_model, tmp_path, faults, message):
    stand_in(**faults)
    with pytest.raises(BadInput, match=message) as raised, Engines([arm(tiny_model)], tmp_path, "job") as engines:
        sample_arm(arm(tiny_model), PROBLEMS, tmp_path, 1, engines)
    assert "\n" not in str(raised.value) and not ours()


def test_a_start_that_takes_too_long_is_ended(stand_in, tiny_model, tmp_path):
    stand_in(start_s=60)
    task = arm(tiny_model, engine={"start_s": 1.0})
    with pytest.raises(BadInput, match=r"engine m: does not answer after 1 s \(.*\); raise engine.start_s"):
        with Engines([task], tmp_path, "job") as engines:
            sample_arm(task, PROBLEMS, tmp_path, 1, engines)
    assert not ours()


def test_what_does_not_hear_is_killed(stand_in, tiny_model, tmp_path, monkeypatch):
    stand_in(deaf=True)
    monkeypatch.setenv("LONGCOT_GRACE_S", "1")
    with Engines([arm(tiny_model)], tmp_path, "job") as engines:
        sample_arm(arm(tiny_model), PROBLEMS, tmp_path, 1, engines)
        assert len(ours()) >= 3, "the keeper, the server, and what that started"
    assert not ours()


def test_the_end_of_a_server_that_hears_takes_no_grace(stand_in, tiny_model, tmp_path):
    stand_in()
    with Engines([arm(tiny_model)], tmp_path, "job") as engines:
        sample_arm(arm(tiny_model), PROBLEMS, tmp_path, 1, engines)
        keeper, began = engines.replicas[0]._keeper, time.monotonic()
    assert time.monotonic() - began < 5 and keeper.returncode >= 0 and not ours(), "the keeper ends by itself"


def test_servers_are_ended_all_at_once(stand_in, tiny_model, tmp_path, monkeypatch):
    stand_in(deaf=True)
    monkeypatch.setenv("LONGCOT_GRACE_S", "3")
    pretend_cards(monkeypatch, 5)
    task = arm(tiny_model, engine={"replicas_per_gpu": 1})
    with Engines([task], tmp_path, "job") as engines:
        engines.serve(task, str(tiny_model), "float32")
        assert len(engines.replicas) == 5
        began = time.monotonic()
    took = time.monotonic() - began
    assert 3 <= took < 9 and not ours(), "one alone takes the grace, 3 s"


CHILD = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from test_engines import arm, PROBLEMS, Engines, engines_module, sample_arm
engines_module.cards = lambda: []
task = arm({model!r})
with Engines([task], Path({run!r}), "job") as engines:
    sample_arm(task, PROBLEMS, Path({run!r}), 1, engines)
    print(engines.replicas[0]._keeper.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("victim", "fault"), [("job", "deaf"), ("keeper", "deaf"), ("both", "worker"), ("both", "deaf")]
)
def test_killed_in_any_way_nothing_stays(stand_in, tiny_model, tmp_path, victim, fault, monkeypatch):
    stand_in(**{fault: True})
    monkeypatch.setenv("LONGCOT_GRACE_S", "1")
    path = [str(ROOT / "tests/sampling"), str(ROOT / "tests"), str(ROOT / "lib")]
    code = CHILD.format(path=path, model=str(tiny_model), run=str(tmp_path))
    job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    keeper = int(job.stdout.readline())
    assert len(ours()) >= 2
    if victim in ("keeper", "both"):
        os.kill(keeper, signal.SIGKILL)
    if victim in ("job", "both"):
        job.kill()
    else:
        job.send_signal(signal.SIGINT)
    job.wait(30)
    end = time.monotonic() + 20
    while ours() and time.monotonic() < end:
        time.sleep(0.1)
    assert not ours()
    end_leftovers(tmp_path, "")  # as the next run of the study does
    (log,) = (tmp_path / "engines").iterdir()
    assert "api_key: " in (said := log.read_text()) and "sk-" not in said, "no key, and no folder that holds one"


def test_cards_are_dealt_out_to_replicas(stand_in, tiny_model, tmp_path, monkeypatch):
    starts = stand_in()
    pretend_cards(monkeypatch, 5)
    task = arm(tiny_model, engine={"tensor_parallel": 2})
    with Engines([task], tmp_path, "job") as engines:
        sample_arm(task, PROBLEMS, tmp_path, 1, engines)
        assert [replica.name for replica in engines.replicas] == ["m-0", "m-1"]
        given = [psutil.Process(replica._keeper.pid).environ() for replica in engines.replicas]
    assert sorted(one["CUDA_VISIBLE_DEVICES"] for one in given) == ["0,1", "2,3"]
    assert not any(FORK in one for one in given), "on several cards vLLM chooses itself"
    assert all("--tensor-parallel-size" in line for line in starts.read_text().splitlines())
    large = arm(tiny_model, engine={"tensor_parallel": 8})
    with pytest.raises(BadInput, match="needs 8 GPUs, this job has 5"), Engines([large], tmp_path, "job") as engines:
        engines.serve(large, str(tiny_model), "float32")


def test_servers_of_a_small_model_share_a_card(stand_in, tiny_model, tmp_path, monkeypatch):
    starts = stand_in()
    pretend_cards(monkeypatch, 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(20))
    task = arm(tiny_model)
    with Engines([task], tmp_path, "job") as engines:
        sample_arm(task, PROBLEMS, tmp_path, 1, engines)
        given = [psutil.Process(replica._keeper.pid).environ() for replica in engines.replicas]
    seen = [one["CUDA_VISIBLE_DEVICES"] for one in given]
    assert seen == ["0", "1", "0", "1", "0", "1"], "20 cores do for three servers on each of two cards"
    assert {one[FORK] for one in given} == {"fork"}
    rows = [json.loads(line) for line in starts.read_text().splitlines()]
    assert {row[row.index("--gpu-memory-utilization") + 1] for row in rows} == {"0.3"}
    assert all(18.9e9 < int(row[row.index("--kv-cache-memory-bytes") + 1]) < 19e9 for row in rows)
    assert all(row[row.index("--cudagraph-capture-sizes") + 12] == "1024" for row in rows)
    with Engines([one := arm(tiny_model, engine={"replicas_per_gpu": 1})], tmp_path, "job") as engines:
        engines.serve(one, str(tiny_model), "float32")
        assert len(engines.replicas) == 2
    many = arm(tiny_model, engine={"replicas_per_gpu": 16})
    with pytest.raises(BadInput, match="16 servers on one GPU leave each 0.0 GB.*lower engine.replicas_per_gpu"):
        with Engines([many], tmp_path, "job") as engines:
            engines.serve(many, str(tiny_model), "float32")


def test_memory_that_stays_in_use_is_said(stand_in, tiny_model, tmp_path, monkeypatch):
    stand_in()
    used = iter([0.2, *[30.0] * 100])
    monkeypatch.setattr(engines_module, "cards", lambda: [Card("0", "GPU-0", 80.0, 0.2)])
    monkeypatch.setattr(engines_module, "used_gb", lambda of: next(used))
    monkeypatch.setattr(engines_module, "FREE_S", 1.0)
    with pytest.raises(BadInput, match="GPU 0: 30.0 GB are still in use after the engine ended, 0.2 GB were before"):
        with Engines([arm(tiny_model)], tmp_path, "job") as engines:
            sample_arm(arm(tiny_model), PROBLEMS, tmp_path, 1, engines)


def test_no_vllm_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("VLLM", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="VLLM=.*none: no such program"):
        program()
    monkeypatch.delenv("VLLM")
    monkeypatch.setattr("longcot.sampling.engines.vllm.OWN", tmp_path / "none")
    with pytest.raises(BadInput, match="no vLLM: `make engine` installs it"):
        program()
    assert last_words(tmp_path / "no.log") == "it said nothing"
    assert not marked("LONGCOT_ENGINE", "nobody's")
