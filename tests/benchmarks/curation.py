"""How curation scales, and what decontamination finds: the tables of README.md.

    LONGCOT_DATA=… python tests/benchmarks/curation.py scale
    LONGCOT_DATA=… python tests/benchmarks/curation.py decontamination [--embedding FOLDER]

`scale` analyses 4,209 real traces and ten times as many, each in a process of its own; the larger file is made of
copies with their sentences shuffled. `decontamination` plants the problems of tests/planted_problems.jsonl, written
otherwise and paraphrased by hand, and looks for them; then it holds the real problem sets against the benchmark.
"""

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from longcot.curation.contamination import neighbours, shared_ngrams
from longcot.files.paths import resolve
from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems
from longcot.traces.diversity import TFIDF

FILES = ("skyt1_long_cot_math500_minerva", "qwen25_32b_prompted_cot", "skyt1_short_cot")
KEYS = {"problem": "problem", "expected_answer": "expected_answer", "text": "generation", "problem_id": "problem_id"}
BENCHMARK = "data:problems/comp-math-24-25.jsonl"
SETS = ("aime24", "aime25", "hmmt_feb24_matharena", "hmmt_feb25_matharena", "amc23")
SETS += ("math500", "olympiadbench_math_en", "minerva_math")


def write_copies(path: Path, copies: int) -> None:
    """The real traces, each `copies` times, all but the first with their sentences shuffled."""
    from longcot.traces.importing import import_traces

    traces = [trace for name in FILES for trace in import_traces(resolve(f"data:traces/{name}.jsonl"), KEYS)]
    with open(path, "w") as out:
        for copy in range(copies):
            rng = random.Random(copy)
            for number, trace in enumerate(traces):
                sentences = re.split(r"(?<=[.!?\n])", trace.text)
                rng.shuffle(sentences)
                text = "".join(sentences) if copy else trace.text
                row = trace.model_copy(update={"text": text, "sample": number * copies + copy, "correct": True})
                out.write(row.model_dump_json() + "\n")


def analyse(path: str) -> None:
    """What the process of its own does; prints how many traces, and its seconds and megabytes."""
    from longcot.curation.pool_tables import behaviour_columns, group_table, trace_table
    from longcot.figures.curation_profiles import profile_table
    from longcot.traces.length import LengthMeasure
    from longcot.traces.trace import iter_traces

    began, cpu = time.perf_counter(), time.process_time()
    table = trace_table(iter_traces(path), LengthMeasure("words"))
    group_table(table, "model")
    profile_table(table, "model", ["correct", "words", *behaviour_columns(table)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([len(table), time.perf_counter() - began, time.process_time() - cpu, peak]))


def scale() -> None:
    """Both sizes, and the ratios that the project promises."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for copies in (1, 10):
            path = Path(folder) / f"{copies}.jsonl"
            write_copies(path, copies)
            command = [sys.executable, __file__, "analyse", "--path", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures.append(json.loads(done.stdout))
            print(
                f"{figures[-1][0]} traces: {figures[-1][1]:.1f} s, {figures[-1][2]:.1f} CPU s, {figures[-1][3]:.0f} MB"
            )
    one, ten = figures
    print(f"ten times the traces: {ten[2] / one[2]:.1f} times the CPU time, {ten[3] - one[3]:+.0f} MB")


def written_otherwise(text: str, number: int) -> str:
    """A copy of a problem with another look."""
    ways = (text.upper(), text.replace("$", "$$"), f"Solve the problem. {text} Put the answer in a box.",
            "\n".join(text.split()), text.replace("\\frac", "\\dfrac").replace(",", " ,"))  # fmt: skip
    return ways[number % len(ways)]


def decontamination(embedding: str) -> None:
    """Recall on planted problems among real ones, and what is flagged in real problem sets."""
    planted = [json.loads(line) for line in (Path(__file__).parents[1] / "planted_problems.jsonl").open()]

    def problems(texts: list[str]) -> list[Problem]:
        return [Problem(id=f"planted-{i}", problem=text, expected_answer="?") for i, text in enumerate(texts)]

    real = {name: load_problems(f"data:problems/{name}.jsonl") for name in SETS}
    benchmark = load_problems(BENCHMARK)
    originals = problems([row["original"] for row in planted])
    sought = {
        "copies, written otherwise": problems([written_otherwise(row["original"], i) for i, row in enumerate(planted)]),
        "paraphrases": problems([row["paraphrase"] for row in planted]),
    }
    distractors = [*real["math500"], *real["olympiadbench_math_en"], *real["minerva_math"]]
    for kind, own in sought.items():
        for n in (8, 13):
            found = shared_ngrams(own, originals, n)
            print(f"{kind}: {sum(hit.problem_id == hit.benchmark_id for hit in found)} of {len(own)} by {n}-grams")
        every = neighbours([*own, *distractors], [*originals, *benchmark], 0.5, embedding)
        for threshold in (0.5, 0.6, 0.7, 0.8):
            near = [hit for hit in every if hit.similarity >= threshold]
            right = sum(hit.problem_id == hit.benchmark_id for hit in near)
            others = sum(not hit.problem_id.startswith("planted") for hit in near)
            print(f"{kind}: {right} of {len(own)} by neighbours from {threshold}, with {others} others listed")
    for name, own in real.items():
        counts = [len(shared_ngrams(own, benchmark, n)) for n in (8, 13)]
        whole = sum(hit.share > 0.5 for hit in shared_ngrams(own, benchmark, 8))
        near = [hit.similarity for hit in neighbours(own, benchmark, 0.6, embedding)]
        nearest = sum(similarity >= 0.8 for similarity in near)
        print(f"| {name} | {len(own)} | {counts[0]} | {counts[1]} | {whole} | {len(near)} | {nearest} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("scale", "decontamination", "analyse"))
    parser.add_argument("--embedding", default=TFIDF)
    parser.add_argument("--path", default="")
    given = parser.parse_args()
    if given.what == "scale":
        scale()
    elif given.what == "analyse":
        analyse(given.path)
    else:
        decontamination(given.embedding)
