"""Labels of a problem set that are wrong: what they should be, beside what the set says."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, RootModel, ValidationError

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, resolve
from longcot.files.strict import Strict, first_error
from longcot.files.yaml_file import read_yaml
from longcot.problems.problem import Problem


class Correction(Strict):
    """One wrong label: as it stands in the set, as it should be, and why."""

    upstream: str
    corrected: str
    evidence: str


class _Corrections(RootModel[dict[str, Correction]]):
    model_config = ConfigDict(frozen=True)


def load_corrections(path: str | Path, problems: Sequence[Problem]) -> dict[str, str]:
    """Problem id to corrected answer, of those corrections in a YAML file whose problem is among `problems`.

    Raises BadInput where the set has another label than the correction was written for (the set has changed), where
    no correction concerns it, and for a file that is no such list.
    """
    path = resolve(path)
    if not path.is_file():
        raise BadInput(f"{display_path(path)}: no such file of label corrections; fix problems.label_corrections")
    file = read_yaml(path)
    try:
        corrections = _Corrections.model_validate(file.values).root
    except ValidationError as error:
        where = file.where(error.errors()[0]["loc"])
        raise BadInput(f"{where}: {first_error(error)}; give id: {{upstream, corrected, evidence}}") from None
    labels = {problem.id: problem.expected_answer for problem in problems}
    for name, correction in corrections.items():
        if labels.get(name, correction.upstream) != correction.upstream:
            has = f"the set has {labels[name]!r}, not {correction.upstream!r}"
            raise BadInput(f"{file.where((name,))}: {name}: {has}; look at it again")
    found = {name: correction.corrected for name, correction in corrections.items() if name in labels}
    if not found:
        raise BadInput(
            f"{display_path(path)}: none of its {len(corrections)} problems is in the benchmark; fix the study"
        )
    return found
