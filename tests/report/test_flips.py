"""The page of flips shows what a model wrote as text, and what stands in its tokens does not act."""

import pandas as pd
import pytest
from hostile import MARKUP, TEXT, shows_as_text
from html_pages import Page, loads_nothing
from transformers import AutoTokenizer

from longcot.models.token_kinds import token_texts
from longcot.report.flips import LONGEST, flip_table, flips_html, shown_html, write_flips
from longcot.traces.trace import Trace

WORDS = ["alert(1)", "onerror=", "<iframe", "javascript:", "⟨U+001B⟩[31m", "⟨U+202E⟩", r"\href{", r"\def\x{\x\x}\x"]


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return AutoTokenizer.from_pretrained(tiny_model)


def table(ids: list[int], problem: str = "p", **columns) -> pd.DataFrame:
    """Rows of a token table: every second token flips, and divergences from 0 to 5 nats."""
    count = len(ids)
    rows = {"problem_id": problem, "position": range(1, count + 1), "token": ids, "kind": "step"}
    rows |= {"divergence": [i % 6 for i in range(count)], "base_rank": 2, "adapter_rank": 1}
    rows |= {"base_choice": ids[::-1], "adapter_choice": ids, "flip": [i % 2 for i in range(count)]}
    return pd.DataFrame(rows | columns)


def test_tokens_are_coloured_by_divergence(tokenizer):
    ids = tokenizer("Step one: 2 & 3", add_special_tokens=False)["input_ids"]
    page = Page(flips_html(table(ids), tokenizer))
    assert "".join(page.texts) == "Step one: 2 & 3"
    marks = [given for tag, given in page.tags if tag == "mark"]
    classes = [one["class"] for one in marks]
    assert classes[:5] == ["level-3 flip", "level-4", "level-4 flip", "level-5", "level-5 flip"]
    last, first = (repr(token_texts(tokenizer, [number])[0]) for number in (ids[-2], ids[1]))
    assert marks[0]["title"].startswith(f"1.00 nats (step); first choice of the base {last}, with the adapter {first}")


def test_hostile_text_does_nothing(tokenizer, tmp_path):
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    trace = Trace(
        problem_id=MARKUP["script"], sample=0, problem=TEXT, expected_answer=MARKUP["handler"], model="m", text=""
    )
    title = MARKUP["end of a script"]
    page = write_flips(tmp_path / "flips.html", title, [trace], table(ids, trace.problem_id), tokenizer)
    html = page.read_text()
    loads_nothing(html)
    text = "".join(Page(html).texts)
    assert not [word for word in WORDS if word not in text] and text.count("alert(1)") >= 3
    shows_as_text(page, WORDS)


def test_a_long_trace_is_cut_and_says_so(tokenizer):
    assert "[… 7 more tokens]" in flips_html(table([5] * (LONGEST + 7)), tokenizer)
    assert "tex2jax_ignore" in shown_html("x") and "<script" not in shown_html("x")


def test_the_commonest_flips(tokenizer):
    rows = table([5, 6, 5, 6, 7], base_choice=[1, 1, 1, 1, 3], adapter_choice=[1, 5, 1, 5, 3], flip=[0, 1, 0, 1, 0])
    (row,) = flip_table(rows, tokenizer).to_dict("records")
    assert row["flips"] == 2 and row["divergence"] == 2
    assert row["base_choice"] == repr("<|im_start|>") and row["adapter_choice"] == repr(tokenizer.decode([5]))
