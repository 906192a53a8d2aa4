"""How long model text takes to become HTML, and how many of the formulas in real traces convert.

`LONGCOT_DATA=… python tests/benchmarks/untrusted.py` prints the tables of README.md beside this.
"""

import time
from collections.abc import Callable

from longcot.files.paths import resolve
from longcot.files.rows import json_rows
from longcot.report import safe_html as untrusted

FILES = ("qwen_math_cot100_multisample", "skyt1_long_cot_math500_minerva", "skyt1_short_cot", "qwen25_32b_prompted_cot")
SIZE = 100_000  # characters: a trace of about 30,000 tokens
HOSTILE = {
    "`\\(` without end": r"\(",
    "`$a ` without end": "$a ",
    "`\\[$`": r"\[$",
    "`\\[` and `\\frac{` without end": r"\[\frac{",
    "empty lines": "\n \n",
    "ESC": "\x1b",
    "a macro that doubles itself": r"\[\def\x{\x\x}\x\]",
    "`\\(x\\)`": r"\(x\)",
    "a matrix a formula": r"\(\begin{matrix}1&2\\3&4\end{matrix}\)",
}


def texts() -> list[str]:
    """The texts of the real traces."""
    rows = [row for name in FILES for _, row in json_rows(resolve(f"data:traces/{name}.jsonl"))]
    return [text for row in rows for text in row.values() if isinstance(text, str) and len(text) > 200]


def seconds(work: Callable[[], object]) -> float:
    """The shortest of three runs."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print both tables."""
    real, asked = texts(), []
    convert = untrusted.formula_html

    def counting(latex: str, display: bool = False) -> str | None:
        asked.append(convert(latex, display))
        return asked[-1]

    untrusted.formula_html = counting
    for text in real:
        untrusted.trace_html(text)
    untrusted.formula_html = convert
    took = seconds(lambda: [untrusted.trace_html(text) for text in real])
    size, whole = sum(map(len, real)), sum(one is not None for one in asked)
    print(f"{len(real):,} texts, {size:,} characters, {took:.2f} s; {whole:,} of {len(asked):,} formulas convert\n")
    dense = max((text for text in real if len(text) > 1000), key=lambda text: text.count("$") / len(text))
    cases = {"real, the text densest in formulas, repeated": dense + "\n\n"} | HOSTILE
    print("| 100,000 characters of | formulas | HTML, kB | s |\n|---|---|---|---|")
    for name, piece in cases.items():
        text = piece * (SIZE // len(piece))
        page = untrusted.trace_html(text)
        took = seconds(lambda text=text: untrusted.trace_html(text))
        print(f"| {name} | {page.count('<math'):,} | {len(page) / 1000:,.0f} | {took:.3f} |")


if __name__ == "__main__":
    main()
