from longcot.files.paths import resolve
from longcot.run.expected import dealt, reckoned_seconds
from longcot.run.jobs import study_jobs
from longcot.study.reading import load_study
from longcot.traces.trace import Trace, write_traces


def test_what_takes_long_is_spread():
    def loads(takes, count, most):
        jobs = dealt(takes, count, most, float)
        assert sorted(sum(jobs, [])) == sorted(takes) and max(map(len, jobs)) <= most
        return sorted(map(sum, jobs))

    assert loads([151, 91, 91, 91, 61, 53, 9, 4], 2, 8) == [274, 277], "longest first alone gives 295"
    assert loads([9, 1, 1, 1], 2, 2) == [2, 10], "no job has more arms than it may"
    assert dealt("abcde", 2, 3, lambda one: 1.0) == [["a", "c", "e"], ["b", "d"]]
    assert dealt([], 0, 4, float) == []


def test_a_machine_is_kept_busy():
    study = load_study("params/miniature.yaml")

    def chains(side_by_side):
        jobs = [job for job in study_jobs(study, side_by_side) if "benchmark-trained" in job.name]
        assert sum(len(job.tasks) for job in jobs) == 8, "the base with examples among them"
        return [sum(reckoned_seconds(study, study.arm(task.name)) for task in job.tasks) for job in jobs]

    two = chains(2)
    assert len(two) == 2 and max(two) < 1.1 * min(two)
    assert len(chains(4)) == 4 and len(chains(16)) == 8
    names = [job.name for job in study_jobs(study)]
    assert sum("examples" in name for name in names) == 1 and len(names) == 9, "on a cluster as few as it takes"


def test_jobs_stay_as_they_are_while_a_study_runs(tmp_path):
    study = load_study("params/miniature.yaml", [f"name={tmp_path.name}"])
    before, file = study_jobs(study, 2), resolve(study.run_dir) / "traces/reasoner-50/benchmark.jsonl"
    trace = {"problem": "?", "expected_answer": "1", "model": "m", "text": "1", "completion_tokens": 9}
    try:
        write_traces(file, [Trace(problem_id="p", sample=0, **trace)])
        assert study_jobs(study, 2) == before, "Snakemake would run jobs again whose arms changed"
    finally:
        file.unlink()
        for folder in list(file.parents)[:3]:
            folder.rmdir()
