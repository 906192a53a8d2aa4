"""An arm's adapter and its training set as two folders that are ready for the Hub, each with its card."""

import shutil
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import model_source, resolve
from longcot.files.writing import check_new, whole_folder, write_json
from longcot.models.adapter import adapter_config
from longcot.models.chat import render
from longcot.models.templates import with_template
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages
from longcot.report.publish.cards import ADAPTER_FILES, Where, dataset_sections, licence_terms, model_card
from longcot.report.publish.finished_arm import FinishedArm, finished_arm
from longcot.report.publish.hub_dataset import HERE, check_hub_id, is_hub_id, write_dataset


def publish(
    run_dir: str | Path,
    arm: str,
    folder: str | Path,
    *,
    license: str = "unknown",
    language: str = "en",
    base: str = "",
    repo: str = "",
) -> Where:
    """Write a new `folder` with `adapter/` and `dataset/` of a fine-tuned arm of a finished run, whole or not at all.

    `license` is the Hub's identifier for both, `language` that of the training set, `base` the Hub id of the base where
    the study names a directory, and `repo` the Hub id (`OWNER/NAME`) under which both will lie, for the links and the
    code in the cards. Nothing is uploaded. Raises BadInput where the folder is there, the run is not finished (see
    `finished_arm`), and where no reader could find the base.
    """
    run_dir, folder = resolve(run_dir), resolve(folder)
    check_new(folder)
    check_hub_id("--base", base)
    check_hub_id("--repo", repo)
    done = finished_arm(run_dir, arm)
    config = adapter_config(done.files["adapter"])
    own = config.get("base_model_name_or_path") or ""
    if not base and not resolve(own).is_dir() and not is_hub_id(own):
        raise BadInput(f"{arm}: its base {own!r} is a directory that no reader has; give its Hub id with --base")
    where = Where(base or own, bool(base) or not resolve(own).is_dir(), repo or HERE, license)
    prompt = _prompt(done)
    with whole_folder(folder) as draft:
        (draft / "adapter").mkdir()
        for name in ADAPTER_FILES:
            shutil.copyfile(done.files["adapter"] / name, draft / "adapter" / name)
        named = {"base_model_name_or_path": where.base, "revision": done.model.revision or None}
        write_json(draft / "adapter" / "adapter_config.json", config | named)
        model_card(done, where, prompt).save(draft / "adapter" / "README.md")
        more = {"terms": licence_terms(done), "more": dataset_sections(done, where)}
        write_dataset(done.files["training set"], draft / "dataset", license, language, repo=repo, **more)
    return where


def _prompt(done: FinishedArm) -> str:
    """The prompt of training in the base's own chat template, with {problem} where the problem goes."""
    from longcot.models.nf4 import load_tokenizer

    given = done.study.prompt
    tokenizer = load_tokenizer(model_source(done.model.path), done.model.revision or "main")
    problem = Problem(id="any", problem="{problem}", expected_answer="any")
    messages = build_messages("zero_shot", problem, **given.wording)
    return render(with_template(tokenizer, given.chat_template), messages, add_generation_prompt=True)
