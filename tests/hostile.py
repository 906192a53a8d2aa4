"""Text that tries to act when it is shown, a run directory full of it, and what any page that shows it must hold to.

page = write_report(run)                       # or the explorer's static page
shows_as_text(page, WORDS)                     # opens it in headless Chromium
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from browser import open_page
from html_pages import LINK
from synthetic_study import ARMS, make_study

from longcot.problems.sources import load_problems
from longcot.traces.trace import read_traces, write_traces

RAN = "window.ran = (window.ran || 0) + 1"
MARKUP = {
    "script": f"<script>{RAN}; alert(1)</script>",
    "end of a script": f"</script></style></textarea></title><script>{RAN}</script>",
    "handler": f'<img src="https://example.com/i.png" onerror="{RAN}"><svg onload="{RAN}"><body onload="{RAN}">',
    "frame": f'<iframe src="https://example.com/f"></iframe><iframe srcdoc="<script>parent.{RAN}</script>"></iframe>',
    "link": '<a href="javascript:alert(1)">click</a> [click](javascript:alert(1)) ![x](https://example.com/m.png)',
    "load": '<link rel=stylesheet href="https://example.com/c.css"><style>@import "https://example.com/d.css";</style>',
    "elsewhere": '<meta http-equiv=refresh content="0;url=https://example.com/r"><base href="https://example.com/">',
    "form": '<form action="https://example.com/p"><input autofocus onfocus=alert(1)></form>',
    "mathml": f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src onerror={RAN}&gt;">',
    "ansi": "\x1b[31mred\x1b[0m \x1b]8;;https://example.com\x07link\x1b]8;;\x07 \x9b2J \x00\x07\x08",
    "bidi": "\u202etxet sdrawkcab\u202c \u2066isolated\u2069 \u200bzero\u200dwidth\ufeff \u2028line",
    "template": "{{ 7*7 }} {% raw %} ${7*7} %s %(x)s {x}",
}
LATEX = [
    r"\href{javascript:alert(1)}{x}",
    r"\url{https://example.com}",
    r"\class{a}{x} \style{background:url(https://example.com/s)}{x}",
    r"\def\x{\x\x}\x",
    r"\includegraphics{https://example.com/g.png}",
    r"\text{<script>window.ran = 1</script>}",
    r"\frac{1}{" * 300,
]
WORDS = ["alert(1)", "onerror=", "<iframe", "javascript:", "⟨U+001B⟩[31m", "⟨U+202E⟩", r"\href{", r"\def\x{\x\x}\x"]
TEXT = "\n".join([*MARKUP.values(), *(rf"\({one}\) ${one}$ \[{one}\]" for one in LATEX)])
FORMULAS = r"so $\frac{1}{2} < x$ and \[\sum_{i=1}^n i^2 \] is \(\boxed{5}\)"  # three


def hostile_run(folder: Path) -> dict[str, Any]:
    """A run directory in which every text that is not ours is hostile; returns the parameters of notebook 04."""
    parameters = make_study(folder, ARMS[:5], count=8)
    markup = list(MARKUP.values())
    problems = load_problems(str(folder / "problems.jsonl"))
    names = {problem.id: f"../{i} {markup[i % len(markup)]}" for i, problem in enumerate(problems)}
    changed = [
        problem.model_copy(
            update={"id": names[problem.id], "problem": f"{FORMULAS} {TEXT}", "source": markup[0]}
            | {"subject": f"${markup[i % 5]}", "level": rf"$\frac{{{i % 4}$"}
        )
        for i, problem in enumerate(problems)
    ]
    (folder / "problems.jsonl").write_text("".join(problem.model_dump_json() + "\n" for problem in changed))
    for place, arm in enumerate(parameters["tasks"]):
        path = folder / arm["traces"]
        write_traces(
            path,
            [
                trace.model_copy(
                    update={"problem_id": names[trace.problem_id], "problem": f"{FORMULAS} {TEXT}", "model": markup[1]}
                    | {"text": f"{FORMULAS}\n{TEXT}\n{trace.text}", "answer": f"{trace.answer} {markup[0]}"}
                )
                for trace in read_traces(path)
            ],
        )
        arm |= {"model": f"m{place} {markup[place]}", "data": markup[0] if arm["data"] else ""}
    parameters["tasks"][1]["name"] = "arm <script>alert(1)</script> $\\frac{1$"
    return parameters | {"study": f"Title {markup[1]}", "deviations": [*markup, *(f"${one}$" for one in LATEX)]}


def shows_as_text(
    page: str | Path, words: Iterable[str] = WORDS, formulas: int = 0, beside: tuple[str, ...] = ()
) -> None:
    """Assert, in headless Chromium, that a page of hostile text does nothing and shows it.

    No request but for the page and what lies `beside` it, no dialog, no script of the text's run, no element of it
    made; each of `words` stands in its text; and at least `formulas` formulas are laid out as MathML.
    """
    with open_page(page) as opened:
        opened.page.locator("details").evaluate_all("folds => folds.forEach(fold => fold.open = true)")
        for link in opened.page.locator("a[href]").all():
            href = link.get_attribute("href")
            assert re.fullmatch(LINK, href) or href.startswith(beside or ("#",)), "a link of the text's own"
        opened.page.wait_for_timeout(300)
        opened.is_quiet(beside)
        assert opened.page.evaluate("window.ran") is None, "a script of the text ran"
        made = "iframe, object, embed, form, base, svg image, meta[http-equiv=refresh], [onerror], [onload], [onfocus]"
        assert opened.page.locator(made).count() == 0
        assert opened.page.locator('img:not([src^="data:"])').count() == 0
        text = opened.page.locator("body").inner_text()
        missing = [word for word in words if word not in text]
        assert not missing, f"not shown as text: {missing}"
        assert not set("\x00\x07\x08\x1b\x9b\u202e\u2066\u200b\u2028") & set(text), "a character that acts"
        widths = opened.page.locator("math").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
        assert sum(width > 0 for width in widths) >= formulas
        assert opened.page.locator("math :is(a, maction, semantics, annotation-xml, img)").count() == 0
