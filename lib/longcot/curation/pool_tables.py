"""Tables of what traces are like: one row a trace, one row a group of them, one row a set to train on.

Only numbers are kept of each, never a text.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from longcot.curation.pool import Pool
from longcot.files.errors import BadInput
from longcot.metrics.intervals import pass_at_1_interval
from longcot.traces.behaviours import BEHAVIOURS, behaviour_rates
from longcot.traces.diversity import TFIDF, embed, mean_distance, vendi_score
from longcot.traces.length import LengthMeasure, counted_alike
from longcot.traces.properties import answer_type, compression_ratio, loops, repeated_ngrams, scripts, split_thinking
from longcot.traces.trace import Trace
from longcot.traces.words import split_words

if TYPE_CHECKING:
    from pandas import DataFrame

_AT_ONCE = 1000  # traces whose rows are Python's own objects, before they become a table of numbers
_EMBEDDED = 1000  # traces of a set at most for its diversity: Vendi's score takes n² memory


def per_1000(behaviour: str, unit: str) -> str:
    """The name of a behaviour's column, which says what it counts: `verification_per_1000_words`."""
    return f"{behaviour.replace(' ', '_')}_per_1000_{unit}"


def behaviour_columns(table: "DataFrame") -> list[str]:
    """The columns of behaviours in a table of traces."""
    starts = tuple(per_1000(name, "") for name in BEHAVIOURS)
    return [column for column in table if column.startswith(starts)]


def common_ruler(pool: Pool, tokenizer: str = "") -> LengthMeasure:
    """What measures the traces of all of a pool's files alike.

    Tokens as they were counted where one model counted all, else tokens of `tokenizer`, else words.
    """
    if counted_alike(trace for traces in pool.traces.values() for trace in traces):
        return LengthMeasure("tokens")
    return LengthMeasure("tokens", tokenizer) if tokenizer else LengthMeasure("words")


def measure_trace(trace: Trace, ruler: LengthMeasure) -> dict[str, Any]:
    """The row of a trace; columns of lengths are named by the ruler's unit, `words`, `thinking_words`, `answer_words`.

    Thinking and answer are apart only where the text marks them (`properties.split_thinking`). Behaviours are matches
    for each 1,000 tokens, or words where the ruler counts another unit. For the rest see `properties`.
    """
    unit, length = ruler.unit, ruler.of_trace(trace)
    thinking, answer = split_thinking(trace.text)
    found = loops(trace.text)
    shares = scripts(trace.text)
    base = ("tokens", length) if unit == "tokens" else ("words", len(split_words(trace.text)))
    rates = behaviour_rates(trace.text, max(base[1], 1))
    return {
        "problem_id": trace.problem_id,
        "sample": trace.sample,
        "stage": trace.stage,
        "model": trace.model,
        "correct": None if trace.correct is None else float(trace.correct),
        "finished": None if trace.finished is None else float(trace.finished),
        "answer_type": answer_type(trace.expected_answer),
        unit: length,
        f"thinking_{unit}": None if thinking is None else ruler.of(thinking),
        f"answer_{unit}": None if thinking is None else ruler.of(answer),
        "repeated_4grams": repeated_ngrams(trace.text),
        "loops": len(found),
        "compression_ratio": compression_ratio(trace.text),
        "second_script": 1 - max(shares.values()) if shares else 0.0,
    } | {per_1000(name, base[0]): rate for name, rate in rates.items()}


def trace_table(traces: Iterable[Trace], ruler: LengthMeasure) -> "DataFrame":
    """One row a trace (`measure_trace`), and `relative_length`: its length over the median of its problem's traces.

    That is NaN where the problem has one trace here. Raises BadInput for no trace, and for lengths that do not compare.
    """
    import pandas as pd

    rows = (measure_trace(trace, ruler) for trace in traces)
    chunks = []
    while chunk := list(islice(rows, _AT_ONCE)):
        chunks.append(pd.DataFrame(chunk))
        numbers = chunks[-1].columns.difference(["problem_id", "stage", "model", "answer_type"])
        chunks[-1][numbers] = chunks[-1][numbers].astype(float)
    if not chunks:
        raise BadInput("no traces to analyse; import or generate some first")
    table = pd.concat(chunks, ignore_index=True)
    lengths = table.groupby("problem_id")[ruler.unit]
    table["relative_length"] = (table[ruler.unit] / lengths.transform("median")).where(lengths.transform("size") > 1)
    return table


def pools_table(sources: Mapping[str, str], pool: Pool, ruler: LengthMeasure) -> "DataFrame":
    """One row a trace of several of a pool's files (teacher: file): `trace_table`, and where it is from.

    `pool` is the teacher, with the stage where there is one, `file` and `line` its place; `subject`, `level` and
    `base_pass_rate` are its problem's, None where they are not known; where likelihoods were measured, `base_logprob`
    and `rsr` are its own. Raises BadInput like `trace_table`.
    """
    import pandas as pd

    tables = []
    for teacher, file in sources.items():
        table = trace_table(pool.traces[file], ruler)
        names = teacher + table["stage"].where(table["stage"] == "", ", " + table["stage"])
        tables.append(table.assign(pool=names, file=file, line=range(1, len(table) + 1)))
    whole = pd.concat(tables, ignore_index=True)
    whole["pool"] = pd.Categorical(whole["pool"], whole["pool"].unique())
    for name in ("subject", "level"):
        whole[name] = [getattr(pool.problems.get(problem), name, None) for problem in whole["problem_id"]]
    whole["base_pass_rate"] = whole["problem_id"].map(pool.pass_rates).astype(float)
    if pool.likelihoods:
        found = [pool.likelihood(trace) for file in sources.values() for trace in pool.traces[file]]
        whole["base_logprob"], whole["rsr"] = [one.logprob for one in found], [one.rsr for one in found]
    return whole


def group_table(table: "DataFrame", by: str) -> "DataFrame":
    """One row a group: its traces and problems, accuracy with 95% interval, and the means of all that was measured.

    Means and the median length are over traces; the interval of accuracy has the problem as its unit
    (`intervals.pass_at_1_interval`) and is left out where a trace is not graded. Shares are fractions of 1.
    """
    import pandas as pd

    rows = []
    unit = next(unit for unit in ("tokens", "words", "characters") if unit in table)
    for name, group in table.groupby(by, sort=False, observed=True):
        row = {by: name, "traces": len(group), "problems": group.problem_id.nunique()}
        if group.correct.notna().all():
            problems = group.groupby("problem_id").correct.agg(["sum", "size"])
            low, high = pass_at_1_interval(problems["sum"].tolist(), problems["size"].tolist())
            rate = (problems["sum"] / problems["size"]).mean()
            row |= {"accuracy": rate, "accuracy_low": low, "accuracy_high": high}
        numbers = group.select_dtypes("number").drop(columns=["sample", "correct", "loops", "line"], errors="ignore")
        row |= {"with_loop": (group.loops > 0).mean(), f"median_{unit}": group[unit].median()}
        rows.append(row | numbers.mean().to_dict())
    return pd.DataFrame(rows)


def set_table(
    sets: Mapping[str, Sequence[Trace]], pool: Pool, ruler: LengthMeasure, embedding: str = TFIDF, seed: int = 0
) -> "DataFrame":
    """One row a set: its size, how hard, how long, and how diverse it is, problems and solutions apart.

    All sets are embedded together, so that they compare; of a set of more than 1,000 traces as many are drawn for its
    diversity. Vendi's score is at most the number of texts: compare sets of one size. Difficulty is the mean pass rate,
    NaN where one is not known. Raises BadInput for an empty set.
    """
    import pandas as pd

    rng = random.Random(f"sets {seed}")
    drawn = {name: rng.sample(list(traces), min(len(traces), _EMBEDDED)) for name, traces in sets.items()}
    if empty := [name for name, traces in drawn.items() if not traces]:
        raise BadInput(f"set {empty[0]}: no trace in it; choose at least one")
    every = [trace for traces in drawn.values() for trace in traces]
    problems = embed([trace.problem for trace in every], embedding)
    solutions = embed([trace.text for trace in every], embedding)
    rows, start = [], 0
    for name, traces in sets.items():
        place = slice(start, start + len(drawn[name]))
        start = place.stop
        known = [pool.problems[trace.problem_id] for trace in traces if trace.problem_id in pool.problems]
        lengths = pd.Series([ruler.of_trace(trace) for trace in traces], dtype=float)
        rows.append(
            {
                "set": name,
                "traces": len(traces),
                "problems": len({trace.problem_id for trace in traces}),
                "subjects": len({problem.subject for problem in known if problem.subject}),
                "correct": sum(bool(trace.correct) for trace in traces) / len(traces),
                "mean_pass_rate": pd.Series(
                    [pool.pass_rates.get(trace.problem_id) for trace in traces], dtype=float
                ).mean(skipna=False),
                f"mean_{ruler.unit}": lengths.mean(),
                f"median_{ruler.unit}": lengths.median(),
                "problem_distance": mean_distance(problems[place]),
                "problem_vendi": vendi_score(problems[place]),
                "solution_distance": mean_distance(solutions[place]),
                "solution_vendi": vendi_score(solutions[place]),
            }
        )
        if pool.likelihoods:
            found = [pool.likelihood(trace) for trace in traces]
            rows[-1] |= {"mean_logprob": pd.Series([one.logprob for one in found]).mean()}
            rows[-1] |= {"mean_rsr": pd.Series([one.rsr for one in found]).mean()}
    return pd.DataFrame(rows)
