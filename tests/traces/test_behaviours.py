import importlib.util
import os
from pathlib import Path

import pytest

from longcot.files.errors import BadInput
from longcot.traces.behaviours import BEHAVIOURS, behaviour_rates, behaviour_spans

SENTENCES = {  # made up here
    "verification": ["Let me double-check the total.", "Yes, that matches the table.", "This value seems too large."],
    "backtracking": ["Wait, no, the area is half of that.", "I made a mistake above.", "Let me start over."],
    "subgoal setting": ["First, we need to find the radius.", "**Step 2: Compute the volume**", "3. Solve for y."],
    "backward chaining": ["For the root to be real, the discriminant must be positive.", "We can work backwards."],
    "exploration of alternatives": ["Alternatively, use vectors.", "Is there another way?", "Let's try 7 instead."],
    "hedging": ["Perhaps the sum is odd.", "I’m not sure about that.", "I think it is 4."],
}
PLAIN = "The area is 12. Adding 3 and 4 gives 7, so the answer is \\boxed{7}."


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_marker_is_found_where_it_stands(behaviour):
    for sentence in SENTENCES[behaviour]:
        text = f"{PLAIN}\n\n{sentence}\n\n{PLAIN}"
        places = [span for span in behaviour_spans(text) if span.behaviour == behaviour]
        assert places, sentence
        assert all(
            text.index(sentence) - 2 <= span.start < span.end <= text.index(sentence) + len(sentence) for span in places
        )
    assert not behaviour_spans(PLAIN)


def test_spans_of_one_behaviour_do_not_overlap_and_come_in_order():
    text = " ".join(sentence for sentences in SENTENCES.values() for sentence in sentences)
    spans = behaviour_spans(text)
    assert spans == sorted(spans)
    for behaviour in BEHAVIOURS:
        own = [span for span in spans if span.behaviour == behaviour]
        assert all(first.end <= second.start for first, second in zip(own, own[1:], strict=False))


def test_rates_are_for_a_thousand_of_what_the_caller_counts():
    text = "Perhaps. " * 3 + "word " * 97
    assert behaviour_rates(text, 100)["hedging"] == 30 and behaviour_rates(text, 200)["hedging"] == 15
    assert behaviour_rates("", 0) == dict.fromkeys(BEHAVIOURS, 0)
    with pytest.raises(BadInput, match="give tokens or words"):
        behaviour_rates("Perhaps.", 0)


def test_precision_and_recall_on_labelled_paragraphs():
    """The rules on real paragraphs they were not written from; the figures are in tests/benchmarks/README.md."""
    if not os.environ.get("LONGCOT_DATA"):
        pytest.skip("LONGCOT_DATA is not set: the labelled paragraphs are in the outside data")
    path = Path(__file__).parents[1] / "benchmarks" / "behaviours.py"
    spec = importlib.util.spec_from_file_location("behaviours_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    counts = benchmark.score(pair for pair in benchmark.labelled() if pair[0]["half"] != "development")
    floors = {"verification": 0.75, "backtracking": 0.55, "subgoal setting": 0.75, "backward chaining": 0.7,
              "exploration of alternatives": 0.85, "hedging": 0.95}  # fmt: skip
    for behaviour, floor in floors.items():
        both, match, label = (counts[behaviour][kind] for kind in ("both", "match", "label"))
        assert both / (both + match) >= min(floor, 0.75) and both / (both + label) >= floor, (behaviour, counts)
