"""The wording of every prompt style and edit pass. A text that changes gets a new version, which manifests carry."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A prompt with its version. `{problem}` and `{trace}` mark where texts go; other braces stand for themselves."""

    version: int
    text: str


# The wording that the Qwen2.5-Math model cards recommend: reason step by step, the answer in a box.
_STEP_BY_STEP = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."

# Each wording below is ours; the comment above it names where its idea comes from.
STYLES: dict[str, Template] = {
    "zero_shot": Template(1, _STEP_BY_STEP),
    # Examples as earlier turns of the chat, put in the same words as the problem: chain-of-thought prompting
    # (arXiv 2201.11903), with long traces as in arXiv 2507.09850.
    "few_shot": Template(1, _STEP_BY_STEP),
    # The system prompts of Sky-T1 and STILL-2 (arXiv 2412.09413): a long cycle of exploring, reassessing, reflecting
    # and backtracking before the answer; NeMo-Skills' trial prompts ask to think aloud, doubts and mistakes included.
    "reasoning_style": Template(
        1,
        "Think aloud about this problem, at length, before you answer. Explore more than one way and say why you "
        "choose one. Doubt each result: check it by another route or on a small case. When something is wrong, say "
        "so, go back and try again; leave the mistake standing. Once you are sure, put your final answer within "
        "\\boxed{}.\n\n{problem}",
    ),
    # Structural guidance: the stages of Polya's How to Solve It (understand, plan, carry out, look back), with a
    # stage to revise in, as reasoning models do.
    "outline": Template(
        1,
        "{problem}\n\nWrite your solution in six parts, in this order, each under its name:\n"
        "Understand: what is given and what is asked.\nPlan: two ways to go, and the one you take.\n"
        "Try: work it out in small steps.\nCheck: test the result another way.\n"
        "Revise: mend what the check showed, or say what holds.\n"
        "Conclude: your final answer within \\boxed{}.",
    ),
}

# Of the style `raw`: a study gives the document's format (`prompt.raw`), no chat template is put around it.
RAW = Template(1, "{problem}")

_GIVEN = "Problem:\n{problem}\n\nSolution:\n{trace}\n\n"
_KEEP = (
    " Keep the rest, and end with the final answer within \\boxed{}. "
    "Reply with the whole new solution and nothing else."
)

# Multi-pass editing, one quality a pass, in this order. That a solution is rewritten to hold natural self-corrections,
# and that parts enhanced apart are then merged without loss, is tried in NeMo-Skills' prompts; the qualities are those
# that arXiv 2503.01307 finds in models that reason well (verification, backtracking), with exploration before them.
EDITS: dict[str, Template] = {
    "explore": Template(
        1,
        _GIVEN + "Rewrite this solution so that its author first looks around: recalls a like problem, tries a small "
        "case, weighs another way and says why it is dropped." + _KEEP,
    ),
    "verify": Template(
        1,
        _GIVEN + "Rewrite this solution so that its author checks the work: after each important step a short test of "
        "that step, and at the end the answer put back into the problem." + _KEEP,
    ),
    "backtrack": Template(
        1,
        _GIVEN + "Rewrite this solution so that its author now and then takes a wrong turn, notices it from what "
        "follows, says so, goes back to the last sound step and goes on from there." + _KEEP,
    ),
    "join": Template(
        1,
        _GIVEN + "Rewrite this solution as one train of thought in the first person, without headings, repeats or "
        "breaks between its parts. Every thought, check and correction stays." + _KEEP,
    ),
    # Other words for the same thoughts, which parts what a trace says from how it says it.
    "paraphrase": Template(
        1,
        _GIVEN + "Say this solution in other words, sentence by sentence, in the same order. Every step, number, "
        "formula, mistake and correction stays; none is added. End with the final answer within \\boxed{}. "
        "Reply with the whole new solution and nothing else.",
    ),
}
