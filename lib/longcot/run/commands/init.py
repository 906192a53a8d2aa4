"""`longcot init`."""

from collections.abc import Sequence

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.writing import write_whole
from longcot.run.arguments import Parser, checked_study, new, there


def init(parser: Parser, words: Sequence[str]) -> None:
    """Write a commented study of your own model, problems and traces, and check it.

    Reads:    a model's folder, problems, traces: files (JSON, JSON lines, CSV, Parquet), folders, Hub ids; columns and
              keys are guessed by their names and what is in them, chats (`messages`) among them; traces are graded
    Writes:   a new STUDY of few arms: the model as it is, and fine-tuned on up to 20 of the traces of each source
    Returns:  0, what was found printed, and what `longcot check` says; 1 after one line of what is wrong
    Example:  longcot init mine.yaml --model ~/models/base --problems problems.json --traces chats.jsonl
    """
    parser.add_argument("study", metavar="STUDY", help="a new file, as params/mine.yaml; its name is the study's")
    parser.add_argument("--model", required=True, help="the base: a folder, or a Hub id")
    parser.add_argument("--problems", required=True, help="what is asked: a file, a folder of datasets, or a Hub id")
    parser.add_argument("--traces", required=True, action="append", help="to learn from; may be given again")
    given = parser.read(words)
    path = new(given.study)
    if path.suffix != ".yaml":
        raise BadInput(f"{given.study}: a study is a file of YAML; call it {path.stem}.yaml")
    if path.exists():
        raise BadInput(f"{given.study}: it is there already; name a new file")
    from longcot.run.new_study import (
        look_at_model,
        look_at_problems,
        look_at_traces,
        name_of,
        named_in_a_study,
        study_text,
    )

    def named(source: str) -> str:
        return (
            source if source.startswith("miniature:") or not there(source).exists() else named_in_a_study(there(source))
        )

    model = look_at_model(given.model, named(given.model))
    print(f"model      {model.path}: {model.said}")
    problems = look_at_problems(named(given.problems))
    print(f"problems   {problems.source}: {problems.said}{_mapping(problems.columns)}")
    traces = []
    for source in given.traces:
        name = name_of(source, ["base", *(one.name for one in traces)])
        traces.append(look_at_traces(named(source), name, model, problems.problems))
        print(f"traces     {traces[-1].source}: {traces[-1].said}{_mapping(traces[-1].keys)}")
        if traces[-1].filters != ["correct", "finished"]:
            print(f"           filters: {traces[-1].filters}")
    write_whole(path, study_text(name_of(path.stem), model, problems, traces))
    print(f"written    {given.study}\n")
    _, told = checked_study(path, [], print)
    print(f"{display_path(path)}: nothing wrong", *told, sep="\n")
    print(f"\nNow: longcot plan {given.study}, then longcot run {given.study}")


def _mapping(ours_to_theirs: dict[str, str]) -> str:
    """`; problem is 'question', text is 'messages'`, of the names that differ."""
    words = [f"{ours} is {theirs!r}" for ours, theirs in ours_to_theirs.items() if ours != theirs]
    return f"; {', '.join(words)}" if words else ""
