"""A fine-tuned arm of a finished run: its files, what made each, and the scores of the whole study."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput, advice
from longcot.files.manifest import read_manifest, sha256
from longcot.files.paths import display_path, model_name
from longcot.files.run_directory import STUDY, TRAINING, adapter, benchmark_traces, table, training_set
from longcot.problems.sources import source_name
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.reading import load_study
from longcot.study.study import Model, Study

MADE_FROM = (("adapter", "training set"), ("benchmark traces", "adapter"), ("scores", "benchmark traces"))


@dataclass(frozen=True)
class FinishedArm:
    """`files` and their `manifests` by what they are, as in `MADE_FROM`; `scores` are the rows of tables/arms.csv."""

    study: Study
    arm: Arm
    files: dict[str, Path]
    manifests: dict[str, dict[str, Any]]
    scores: list[dict[str, str]]

    @property
    def model(self) -> Model:
        """The base, as the study has it."""
        return self.study.models[self.arm.model]

    @property
    def teachers(self) -> list[TrainingTraces]:
        """The training traces that the arm's were chosen from."""
        found = [self.study.teacher(part) for part in self.arm.data.parts]
        return list({teacher.name: teacher for teacher in found}.values())

    @property
    def score(self) -> dict[str, str]:
        """The arm's own row of scores."""
        return next(row for row in self.scores if row["arm"] == self.arm.name)

    @property
    def report(self) -> dict[str, Any]:
        """What training left beside the adapter, as `qlora.training.train_adapter` says."""
        return json.loads((self.files["adapter"] / TRAINING).read_text(encoding="utf-8"))

    def sources(self) -> list[tuple[str, str, str]]:
        """(role, name, licence as the study states it) of what the training set was made from."""
        found = []
        for teacher in self.teachers:
            if teacher.imported:
                found.append(("problems and traces", shown_source(teacher.imported.source), teacher.imported.source))
                continue
            problems, model = self.study.problems.train.source, self.study.models[teacher.model]
            found.append(("problems", shown_source(problems), problems))
            found.append(("teacher", model_name(model.path), model.path))
            if model.adapter:
                found.append(("teacher's adapter", model_name(model.adapter), model.adapter))
        return [(role, name, self.licence(source)) for role, name, source in dict.fromkeys(found)]

    def licence(self, source: str) -> str:
        """The licence of a source, by its path or id in the study."""
        return self.study.licenses.get(source, "not stated")


def shown_source(source: str) -> str:
    """A source as a card may name it, also where its folder of outside data is not at hand."""
    return source if source.startswith("data:") else source_name(source)


def trained_arm(run_dir: Path, name: str) -> tuple[Study, Arm]:
    """A run's study, and its fine-tuned arm of that name. Raises BadInput where there is none."""
    if not (run_dir / STUDY).is_file():
        raise BadInput(f"{display_path(run_dir)}: no study.yaml in it; give the directory of a study that was run")
    study = load_study(run_dir / STUDY)
    trained = {arm.name: arm for arm in study.arms if arm.trained}
    if name not in trained:
        what = "is not fine-tuned, and has no adapter" if name in {arm.name for arm in study.arms} else "is not there"
        raise BadInput(f"{display_path(run_dir)}: arm {name} {what}; {advice(name, trained)}")
    return study, trained[name]


def finished_arm(run_dir: Path, name: str) -> FinishedArm:
    """The fine-tuned arm of that name. Raises BadInput where there is none, and where its run was not finished.

    Finished: adapter, training set, benchmark traces and scores are there, as their manifests say, each made from the
    one before.
    """
    study, arm = trained_arm(run_dir, name)
    files = {
        "adapter": run_dir / adapter(name),
        "training set": run_dir / training_set(name),
        "benchmark traces": run_dir / benchmark_traces(name),
        "scores": run_dir / table("arms"),
    }
    manifests = {what: _whole(path) for what, path in files.items()}
    for made, source in MADE_FROM:
        if manifests[source]["sha256"] not in manifests[made]["inputs"].values():
            raise BadInput(
                f"{display_path(files[made])}: made from another {source} than is there; run the study again"
            )
    with open(files["scores"], newline="", encoding="utf-8") as rows:
        scores = list(csv.DictReader(rows))
    return FinishedArm(study, arm, files, manifests, scores)


def _whole(path: Path) -> dict[str, Any]:
    """The manifest of a whole file. Raises BadInput where it is not finished, or was changed since."""
    made = read_manifest(path)
    if not made or not path.exists():
        raise BadInput(f"{display_path(path)}: not finished; run the study to its end first")
    if sha256(path) != made["sha256"]:
        raise BadInput(f"{display_path(path)}: changed since its manifest was written; run the study again")
    return made
