"""The page of traces, opened from disk in headless Chromium, and the pieces that it loads."""

import base64
import json
import re
import zlib
from pathlib import Path

import pytest
from browser import Opened, open_page
from hostile import WORDS, hostile_run, shows_as_text
from playwright.sync_api import Page, expect

from longcot.__main__ import main
from longcot.report.trace_page.pieces import Pieces
from longcot.report.trace_page.write import write_trace_page
from longcot.traces.trace import Trace, write_traces

PROMPT = "<|im_start|>user\nProblem 0?<|im_end|>\n<|im_start|>assistant\n"


def trace(problem: int, sample: int, correct: bool, text: str) -> Trace:
    about = {"problem": f"Problem {problem}?", "expected_answer": "5", "model": "m", "finish_reason": "stop"}
    about |= {"answer": "5" if correct else "6", "correct": correct, "completion_tokens": 10 + sample}
    return Trace(problem_id=f"p{problem}", sample=sample, text=text, **about)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    """base is always wrong, good is right on p0 and p2; each has three problems of two samples, good with thoughts."""
    run = tmp_path_factory.mktemp("run")
    for arm, right in (("base", ()), ("good", (0, 2))):
        own = []
        for p in range(3):
            for s in range(2):
                box = f"So $x = \\boxed{{{5 if p in right else 6}}}$."
                thought = "<think>\n" + "Let me see. " * 300 + f"Needle {p} {s}, $\\frac{{1}}{{2}}$ 😀.\n</think>\n\n"
                own.append(trace(p, s, p in right, (thought if arm == "good" else f"{arm} guesses. ") + box))
        path = run / f"traces/{arm}/benchmark.jsonl"
        write_traces(path, own)
        made = {"parameters": {"sampling": {"temperature": 0.6}, "problems": [{"id": "p0"}]}, "first_prompt": PROMPT}
        path.with_name(path.name + ".manifest.json").write_text(json.dumps(made))
    assert not write_trace_page(run)
    return run


def unpacked(path: Path) -> list[str]:
    """The texts of a piece."""
    packed = re.fullmatch(r'longcotPiece\("\w+",(.*)\)\n', path.read_text())[1]
    return [zlib.decompress(base64.b64decode(text)).decode() for text in json.loads(f"[{packed}]")]


def test_places_are_counted_as_a_browser_counts(tmp_path):
    pieces = Pieces(tmp_path)
    text = "<think>😀 $a$ and 😀 $b</think>c$ so $\\boxed{5}$"
    box = text.index("\\boxed")
    assert [pieces.add("first"), pieces.add(text, (box, box + 8))] == [(0, 0), (0, 1)]
    pieces.close()
    texts, marks = unpacked(tmp_path / "0.js")
    marks = json.loads(marks)
    own, units = marks["texts"][1], text.encode("utf-16-le")
    assert texts.split("\0") == ["first", text] and marks["texts"][0] == {"formulas": []}
    parts = {name: units[2 * start : 2 * end].decode("utf-16-le") for name, (start, end) in list(own.items())[1:]}
    assert parts == {"thought": "😀 $a$ and 😀 $b", "answer": "$\\boxed{5}$"}
    flat = own["formulas"]
    found = [units[2 * at : 2 * (at + n)].decode("utf-16-le") for at, n in zip(flat[::3], flat[1::3], strict=True)]
    assert found == ["$a$", "$\\boxed{5}$"] and len(marks["formulas"]) == 2


def test_a_page_that_is_not_written_says_why(tmp_path, capsys):
    assert write_trace_page(tmp_path) == "" and not (tmp_path / "traces.html").exists()
    write_traces(tmp_path / "traces/base/benchmark.jsonl", [trace(0, 0, True, "text")])
    assert write_trace_page(tmp_path) == ""
    page = tmp_path / "traces.html"
    before = page.stat().st_mtime_ns
    assert write_trace_page(tmp_path) == "" and page.stat().st_mtime_ns == before
    write_traces(tmp_path / "traces/base/benchmark.jsonl", [trace(0, 0, True, "another")])
    assert write_trace_page(tmp_path) == "" and page.stat().st_mtime_ns > before
    assert "takes 0.0; read them in notebook 05" in write_trace_page(tmp_path, largest=10)
    assert not page.exists()
    (tmp_path / "traces/base/training.jsonl").write_text("{}\n")
    assert "traces.html: not written, training.jsonl:1: not a trace" in write_trace_page(tmp_path)
    (tmp_path / "traces/base/training.jsonl").unlink()
    assert main(["report", str(tmp_path)]) == 1 and page.is_file()
    capsys.readouterr()


def ready(opened: Opened) -> None:
    opened.page.wait_for_selector("body[data-ready]")


def at(page: Page, place: str) -> None:
    """Wait until the page's address ends with this."""
    expect(page).to_have_url(re.compile(f"{re.escape(place)}$"))


def test_reading_two_arms(run_dir):
    with open_page(run_dir / "traces.html") as opened:
        page = opened.page
        ready(opened)
        first, second = page.locator(".arm").first, page.locator(".arm").nth(1)
        expect(first).to_contain_text("base guesses.")
        expect(second).to_contain_text("✓ correct")
        expect(second.locator("details").first).not_to_have_attribute("open", "")
        at(page, "#traces/base/benchmark.jsonl:1&traces/good/benchmark.jsonl:1")
        page.keyboard.press("t")
        expect(second.locator("mfrac")).to_be_visible()
        expect(second.locator(".answer mi, .answer mn").first).to_be_visible()
        page.keyboard.press("a")
        expect(second.locator(".answer")).to_be_in_viewport()
        page.keyboard.press("j")
        expect(page.locator("#problem")).to_contain_text("Problem 1?")
        page.keyboard.press("]")
        at(page, "#traces/base/benchmark.jsonl:4&traces/good/benchmark.jsonl:3")
        first.get_by_text("prompt (as").click()
        expect(first.locator("pre").first).to_have_text(PROMPT.replace("Problem 0?", "Problem 1?"))
        first.get_by_text("settings").click()
        expect(first.locator("pre").nth(1)).to_contain_text("temperature: 0.6")
        page.evaluate("location.hash = '#traces/good/benchmark.jsonl:6'")
        expect(first).to_contain_text("sample 1, correct")
        expect(page.locator("#problem")).to_contain_text("Problem 2?")
        opened.is_quiet(("/index.js", "/0.js", "/1.js", "/2.js"))


def test_search_and_filters(run_dir):
    with open_page(run_dir / "traces.html") as opened:
        page = opened.page
        ready(opened)
        active, found = page.locator("#active"), page.locator("#found")
        page.keyboard.press("/")
        page.keyboard.type("needle  1 1,")
        expect(active).to_contain_text("found in 1 traces")
        expect(found).to_have_text("1 of 3 problems")
        second = page.locator(".arm").nth(1)
        expect(second.locator("details").first).to_have_attribute("open", "")
        at(page, "good/benchmark.jsonl:4")
        assert page.evaluate("[...CSS.highlights.get('found')].map(String)") == ["Needle 1 1,"]
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        expect(found).to_have_text("3 of 3 problems")
        expect(active).to_have_text("")
        page.locator("#pair").select_option("first wrong, second right")
        expect(found).to_have_text("2 of 3 problems")
        page.locator("#verdict").select_option("not graded")
        expect(page.locator("#problem")).to_have_text("Nothing passes.")
        page.get_by_text("verdict: not graded").click()
        expect(found).to_have_text("2 of 3 problems")


def test_hostile_texts_show_as_text(tmp_path):
    hostile_run(tmp_path)
    assert not write_trace_page(tmp_path)
    beside = ("report.html", *(f"traces_files/{file.name}" for file in (tmp_path / "traces_files").iterdir()))
    shows_as_text(tmp_path / "traces.html", WORDS, formulas=6, beside=beside)
