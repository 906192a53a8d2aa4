"""Grading: speed against Math-Verify called once per sample, and verdicts against those published with real traces.

LONGCOT_DATA=... python tests/benchmarks/grading.py          the figures of README.md; a few minutes on two cores
"""

import json
import multiprocessing
import random
import sys
import time
from collections import Counter, defaultdict

from longcot.files.paths import resolve
from longcot.grading.extraction import extract_answer
from longcot.grading.grade import grade, is_equivalent
from longcot.grading.worker import POOL
from longcot.problems.sources import load_problems
from longcot.traces.trace import Trace

CORES = 2
TRACES = [
    "skyt1_long_cot_math500_minerva",
    "qwen_math_cot100_multisample",
    "qwen25_32b_prompted_cot",
    "skyt1_short_cot",
    "nemo_skills_fixtures",
]


def rows_of(name: str) -> list[dict]:
    return [json.loads(line) for line in resolve(f"data:{name}.jsonl").open()]


def sampled_traces(problems: int = 256, samples: int = 64) -> list[Trace]:
    """The load of an evaluation: the references of Comp-Math-24-25, answers as often as in the multi-sample traces.

    Each problem takes the answer frequencies of a problem of those traces: as many right, and as many of each wrong
    answer, the wrong ones being references of other problems.
    """
    rng = random.Random(0)
    shares = defaultdict(list)
    for row in rows_of("traces/qwen_math_cot100_multisample"):
        shares[row["problem_id"]].append("right" if row["correct_by_source"] else row["pred_by_source"])
    references = [problem.expected_answer for problem in load_problems("data:problems/comp-math-24-25.jsonl")][
        :problems
    ]
    traces = []
    for i, reference in enumerate(references):
        drawn = rng.choices(rng.choice(list(shares.values())), k=samples)
        wrong = {name: rng.choice(references) for name in set(drawn) - {"right"}}
        for sample, name in enumerate(drawn):
            answer = reference if name == "right" else wrong[name]
            text = "It is \\boxed{" + answer.strip("$. ") + "}."
            traces.append(
                Trace(problem_id=str(i), sample=sample, problem="?", expected_answer=reference, model="m", text=text)
            )
    return traces


def math_verify(pair: tuple[str, str]) -> bool:
    from math_verify import parse, verify

    answer, reference = pair
    gold = parse(reference if "$" in reference else f"${reference}$")
    return bool(verify(gold, parse("\\boxed{" + answer + "}")))


def speed() -> None:
    traces = sampled_traces()
    began = time.perf_counter()
    POOL.start()
    started = time.perf_counter() - began
    began = time.perf_counter()
    ours = [bool(trace.correct) for trace in grade(traces)]
    seconds = time.perf_counter() - began
    pairs = [(extract_answer(trace.text) or "", trace.expected_answer) for trace in traces]
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        pool.map(math_verify, pairs[:CORES], chunksize=1)  # the imports are not counted
        began = time.perf_counter()
        theirs = pool.map(math_verify, pairs, chunksize=64)
        once_each = time.perf_counter() - began
    print(f"{len(traces)} samples, {len(set(pairs))} distinct pairs of answer and reference, {CORES} cores")
    print(f"grade: {seconds:.2f} s, and {started:.2f} s once to start its workers")
    print(f"Math-Verify once per sample, {CORES} processes: {once_each:.1f} s, {once_each / seconds:.0f} times as long")
    differ = Counter((pair, a, b) for pair, a, b in zip(pairs, ours, theirs, strict=True) if a != b)
    print(
        f"verdicts that differ: {sum(differ.values())} samples, {len(differ)} pairs (answer, reference; ours, theirs)"
    )
    for (pair, a, b), count in differ.most_common(12):
        print(f"  {count}: {pair[0][:60]!r}, {pair[1][:60]!r}; {a}, {b}")


def published() -> None:
    print("| traces | model | data set | n | ours | source | only we | only source | no answer | cut in thinking |")
    print("|---|---|---|" + "---:|" * 7)
    for name in TRACES:
        rows = rows_of(f"traces/{name}")
        traces = [
            Trace(
                problem_id=str(row.get("problem_id", row["problem"])), sample=i, problem=row["problem"],
                expected_answer=row["expected_answer"], model=row["model"], text=row["generation"],
            )
            for i, row in enumerate(rows)
        ]  # fmt: skip
        table = defaultdict(Counter)
        for row, trace in zip(rows, grade(traces), strict=True):
            source = row.get("correct_by_source")
            cell = table[row["model"], row["dataset"]]
            cell["n"] += 1
            cell["ours"] += trace.correct
            cell["source"] += bool(source)
            cell["only we"] += trace.correct and source is False
            cell["only source"] += bool(source) and not trace.correct
            cell["no answer"] += trace.answer is None
            began, ended = (
                row["generation"].rfind("<|begin_of_thought|>"),
                row["generation"].rfind("<|end_of_thought|>"),
            )
            cell["cut"] += trace.answer is None and began > ended
        for (model, data), cell in table.items():
            n = cell["n"]
            print(
                f"| {name} | {model} | {data} | {n} | {cell['ours'] / n:.3f} | {cell['source'] / n:.3f} | "
                f"{cell['only we']} | {cell['only source']} | {cell['no answer']} | {cell['cut']} |"
            )


def vectors() -> None:
    rows = rows_of("grader/grader_pairs")
    for policy in (False, True):
        part = [row for row in rows if ("policy" in row) == policy]
        wrong = []
        for row in part:
            answer = extract_answer(row["pred"]) if row["form"] == "text" else row["pred"]
            if bool(answer and is_equivalent(answer, row["gold"])) != row["equal"]:
                wrong.append((row["id"], "false negative" if row["equal"] else "false positive"))
        print(
            f"{'policy' if policy else 'other'} rows: {len(part)}, {len(part) - len(wrong)} as labelled; not: {wrong}"
        )


if __name__ == "__main__":
    for part in sys.argv[1:] or ["vectors", "speed", "published"]:
        {"vectors": vectors, "speed": speed, "published": published}[part]()
        print()
