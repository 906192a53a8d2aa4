import re
import tracemalloc

import pytest
from browser import open_page

from longcot.files.visible import visible
from longcot.report.safe_html import ATTRIBUTES, ELEMENTS, LONGEST, STYLE, formula_html, trace_html
from longcot.traces.behaviours import behaviour_spans


def text_of(html: str) -> str:
    """What is left without tags: the text as it is escaped."""
    return re.sub(r"<[^>]*>", "", html)


def test_text_stays_text():
    hostile = "<script>alert(1)</script> </div> <b onload=x> & &lt;"
    assert trace_html(hostile) == (
        '<div class="trace">&lt;script&gt;alert(1)&lt;/script&gt; &lt;/div&gt; &lt;b onload=x&gt; &amp; &amp;lt;</div>'
    )


def test_characters_that_act_are_seen():
    acting = "\x1b[31mred\x00\x7f\x9b a\u202eb\u2066c\u200bd\ufeffe\u2028f\ud800 \U000e0041"
    seen = "⟨U+001B⟩[31mred⟨U+0000⟩⟨U+007F⟩⟨U+009B⟩ a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩d⟨U+FEFF⟩e⟨U+2028⟩f⟨U+D800⟩"
    assert visible(acting) == f"{seen} ⟨U+E0041⟩"
    assert visible("a\r\n\tb \rc é 数 😀") == "a\n\tb ⟨U+000D⟩c é 数 😀"
    trace_html(acting + f"${acting}$").encode()


@pytest.mark.parametrize(
    "text, formulas",
    [
        (r"so $x<y$, \(a\), \[b\] and $$c$$", 4),
        (r"it costs $5 and then $10, $ 3 $", 0),
        (r"$5 each, so \(x\) is $y$", 2),
        (r"\$5 and \\(x\\) and $a\$b$", 1),
        ("\\[a\n\nb\\] $x\n\ny$", 0),
        (r"\[ \text{if $x$ holds} \] then $z$", 1),  # the converter knows no $ in a text; what follows is found
        (r"\begin{align*} a &= b \\ &= c \end{align*} $$\begin{align*} a &= b \\ &= c \end{align*}$$", 1),
        (r"\( \( x \) \)", 1),
        (r"$\frac{1}{2$ and $x$", 1),
        ("$$", 0),
    ],
)
def test_where_formulas_are(text, formulas):
    html = trace_html(text)
    assert html.count("<math") == formulas, html
    if not formulas:
        assert text_of(html) == visible(text).replace("&", "&amp;")


@pytest.mark.parametrize(
    "latex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\url{https://example.com}",
        r"\class{a}{x}",
        r"\style{color:red}{x}",
        r"\cssId{a}{x}",
        r"\data{a=b}{x}",
        r"\html{<script>alert(1)</script>}",
        r"\require{html} x",
        r"\includegraphics{https://example.com/x.png}",
        r"\input{/etc/passwd}",
        r"\def\x{\x\x}\x",
        r"\gdef\x{y}\x",
        r"\let\frac=\sqrt x",
        r"\newcommand{\x}{xxxxxxxx}\x",
        r"\hspace{1000cm} x",
        r"\raisebox{99em}{x}",
        "x\u202ey",
        "x\x1b[31m",
        "x" * (LONGEST + 1),
        r"\sqrt{" * 200 + "x" + "}" * 200,
        "{" * LONGEST,
        r"\left(" * 300,
        r"\begin{matrix}" * 140,
        "",
    ],
)
def test_what_is_more_than_a_formula_is_text(latex):
    assert formula_html(latex) is None
    assert "<math" not in trace_html(f"\\[{latex}\\]")


def test_a_formula_is_only_mathml():
    latex = r"\begin{array}{c|c} \color{red}{x} & \text{<img src=x onerror=alert(1)>} \\ \hline \textbf{b}"
    latex += r" & \boxed{\frac12} \end{array} \cancel{x} \hspace{-20em} \phantom{y} \quad \sum_{i=1}^n"
    mathml = formula_html(latex, display=True)
    for name, attributes in re.findall(r"<(\w+)([^>]*)>", mathml):
        assert name in ELEMENTS and set(re.findall(r"([\w-]+)=", attributes)) <= ATTRIBUTES
    assert "&lt;img" in mathml and "<img" not in mathml and 'notation="box"' in mathml and " style" not in mathml


def test_marks_compose_with_formulas_and_each_other():
    text = "Wait, $a+b$ is <5."
    cases = {
        ((0, 4, "back tracking"),): '<mark class="back-tracking" title="back tracking">Wait</mark>, <math>',
        ((0, 8, "x"),): '<mark class="x" title="x">Wait, <math>.*</math></mark> is',
        ((8, 9, "x"),): 'Wait, <mark class="x" title="x"><math>.*</math></mark> is',
        ((9, 14, "x"),): 'Wait, <mark class="x" title="x"><math>.*</math> is</mark> &lt;5',
        (
            (0, 9, "x"),
            (0, 4, "y"),
            (11, 99, "y"),
        ): '<mark class="x y" title="x, y">Wait</mark><mark class="x".*>, <math>.*'
        '</math></mark><mark class="y" title="y"> is &lt;5.</mark></div>',
        ((0, 4, '"><script>'),): '<mark class="-script-" title="&quot;&gt;&lt;script&gt;">',
        ((3, 3, "x"), (99, 100, "x"), (5, 2, "x")): '<div class="trace">Wait, <math>.*</math> is',
    }
    for spans, expected in cases.items():
        html = trace_html(text, spans)
        assert re.search(expected, html), html
        assert text_of(html) == "Wait, a+b is &lt;5."
    long = "Wait, let me check: $x$ is 3. Alternatively, maybe $y$. " * 20
    assert trace_html(long, behaviour_spans(long)).count("<mark") >= 60


def test_hostile_lengths_are_bounded():
    """In memory here; the seconds are in tests/benchmarks."""
    tracemalloc.start()
    for piece in (r"\(", "$", "$$", r"\[$", r"\(x\)", "$a ", "\n ", "\\", r"\[\frac{"):
        trace_html(piece * (50_000 // len(piece)))
    assert tracemalloc.get_traced_memory()[1] < 75e6
    tracemalloc.stop()


def test_a_page_of_it_in_a_browser(tmp_path):
    text = "<script>window.ran=1</script><img src=x onerror='window.ran=1'> $\\frac{1}{2}$ \\(\\boxed{5}\\)\n\u202eabc"
    page = f"<!DOCTYPE html><meta charset=utf-8><title>x</title><style>{STYLE}</style>"
    (tmp_path / "x.html").write_text(page + trace_html(text, [(0, 8, "check")]))
    with open_page(tmp_path / "x.html") as opened:
        opened.is_quiet()
        assert opened.page.evaluate("window.ran") is None
        assert opened.page.locator("math").count() == 2 and opened.page.locator("img, script").count() == 0
        fraction = opened.page.locator("mfrac").bounding_box()
        assert fraction["height"] > fraction["width"], "laid out as a formula"
        assert opened.page.locator(".trace").inner_text().startswith(text[:40])
