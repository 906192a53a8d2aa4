"""The device of a job, and its share of a GPU's memory; the GPU is a pretended one."""

from types import SimpleNamespace

import pytest
import torch

from longcot.models.cards import SHARE
from longcot.models.device import device


@pytest.mark.parametrize(("jobs", "fraction"), [("1", None), ("8", 1 / 8 - 1 / 80), ("100", 0.0)])
def test_a_job_that_shares_a_gpu_takes_no_more_than_its_share(monkeypatch, jobs, fraction):
    """Of 80 GB with 8 jobs: 10 GB, of which CUDA itself takes one in each process."""
    told = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80e9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told.append)
    monkeypatch.setenv(SHARE, jobs)
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    assert device() == "cuda"
    assert told == ([] if fraction is None else [pytest.approx(fraction)])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device() == "cpu"
