"""The same arm through a real server: `transformers serve`, the lightest there is."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from conftest import make_model
from scripted_server import PROBLEMS, free_url

from longcot.files.errors import BadInput
from longcot.sampling.task import SampleTask, sample_arm
from longcot.traces.trace import read_traces


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The URL of a server that has a tiny model under the name `m`, the folder that it is started in."""
    folder = tmp_path_factory.mktemp("served")
    make_model(folder / "m", context=1024)
    url = free_url()
    port = url.split(":")[2].removesuffix("/v1")
    command = [Path(sys.executable).parent / "transformers", "serve", "m", "--device", "cpu", "--port", port]
    env = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try:
                httpx2.get(f"{url.removesuffix('/v1')}/health")
                break
            except httpx2.ConnectError:
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.5)
        yield url, folder / "m"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_an_arm_through_transformers_serve(served, tmp_path, api):
    url, model = served
    row = {"name": "a", "base": {"path": str(model), "precision": "float32"}, "traces": "traces/a/b.jsonl"}
    row |= {"served_as": "m", "prompt": {"template": "{problem}"}}
    row |= {"server": {"urls": [url], "api": api, "concurrency": 4, "timeout_s": 100.0, "retries": 1}}
    row |= {"sampling": {"max_tokens": 8, "temperature": 1.0, "top_p": 1.0, "seed": 1, "samples": 2}}
    out = sample_arm(SampleTask.model_validate(row), PROBLEMS[:2], tmp_path)
    traces = read_traces(out)
    assert {trace.key for trace in traces} == {(p.id, sample, "") for p in PROBLEMS[:2] for sample in (0, 1)}
    assert len({trace.text for trace in traces}) == 4  # a file beside the model says top_k 1, which must not hold
    assert all(0 < t.completion_tokens <= 8 and t.finish_reason in ("stop", "length") for t in traces)
    manifest = json.loads((out.parent / "b.jsonl.manifest.json").read_text())
    system = "" if api == "completions" else "<|im_start|>system\nYou are a default.<|im_end|>\n"
    assert manifest["first_prompt"] == system + "<|im_start|>user\nWhat is 0 + 1?<|im_end|>\n<|im_start|>assistant\n"
    assert len(manifest["served_by"]) == 1
    other = row["server"] | {"urls": [free_url()], "retries": 9, "concurrency": 1}
    elsewhere = SampleTask.model_validate(row | {"server": other})
    before = out.read_bytes()
    sample_arm(elsewhere, PROBLEMS[:2], tmp_path)  # done, wherever it was served
    assert out.read_bytes() == before and url not in json.dumps(manifest)
    with pytest.raises(BadInput, match=f"no server at .*vllm serve {model}"):
        sample_arm(elsewhere, PROBLEMS[:3], tmp_path)
