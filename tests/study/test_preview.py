"""What a study will send, learn and stop on, said before anything runs, and what is wrong, in a line."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from longcot.files.errors import BadInput
from longcot.models.chat import render
from longcot.study.checks import check_inputs
from longcot.study.preview import previews
from longcot.study.reading import load_study
from longcot.traces.trace import Trace, write_traces

REAL = os.environ.get("LONGCOT_REAL_MODELS", "")


@pytest.fixture
def study(tiny_model, tmp_path):
    """A function that makes a study of a copy of the tiny model, with `changes` to its values."""
    model = shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "problems.jsonl").write_text(json.dumps({"id": "p", "problem": "What is 2+3?", "expected_answer": "5"}))
    text = "<think>\nAdd.\n</think>\n\n\\boxed{5}"
    rows = [{"problem": "1+1?", "expected_answer": "2", "text": text}]
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {key: key for key in ("problem", "expected_answer", "text")}

    def make(**changes):
        values = {
            "name": "previewed",
            "title": "A study",
            "problems": {"benchmark": {"source": str(tmp_path / "problems.jsonl")}},
            "models": {"base": {"path": str(model)}},
            "prompt": {"template": "{problem}"},
            "sampling": {"max_tokens": 9},
            "training_traces": [{"name": "t", "imported": {"source": str(tmp_path / "traces.jsonl"), "keys": keys}}],
            "main_arm": "base",
            "arms": [
                {"name": "base", "model": "base"},
                {"name": "tuned", "model": "base", "data": {"teacher": "t", "n": 1}},
            ],
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(values | changes))
        loaded = load_study(tmp_path / "study.yaml")
        check_inputs(loaded)
        return loaded

    make.model = model
    return make


def shown(study) -> str:
    return "\n".join(map(str, previews(study)))


def test_what_is_sent_learnt_and_stopped_on(study):
    text = shown(study())
    assert text.splitlines()[0] == "base (model): in its own chat template"
    sent = "<|im_start|>user\\nWhat is 2+3?<|im_end|>\\n<|im_start|>assistant\\n"
    assert f"\n  sent       {sent} (" in text
    assert (
        "\n  left out   <|im_start|>system\\nYou are a default.<|im_end|>\\n, a system turn of the template's own"
        in text
    )
    assert (
        "\n  learnt     <think>\\nAdd.\\n</think>\\n\\n\\boxed{5}<|im_end|> (" in text
        and "the first trace of t)" in text
    )
    assert text.endswith("  stops      <|endoftext|> (0), <|im_end|> (2)")
    assert "left out" not in shown(study(prompt={"template": "{problem}", "system": "Be brief."}))


def test_a_base_without_a_template_and_one_that_a_study_gives(study):
    (study.model / "chat_template.jinja").unlink()
    text = shown(study())
    assert text.startswith("base (model): in plain, as the model has no template\n  sent       Problem:\\nWhat is 2+3?")
    assert "<|endoftext|> (0), '\\nProblem:'" in text
    arms = [
        {"name": "base", "model": "base"},
        {"name": "other", "model": "base", "prompt": {"chat_template": "chatml"}},
    ]
    first, second = previews(study(arms=arms))
    assert first.name.endswith("as the model has no template") and second.name.endswith("in chatml")


def test_only_models_that_are_not_the_project_s_own_take_the_time():
    miniature = load_study("params/miniature.yaml")
    assert previews(miniature) == []
    (found,) = previews(miniature, shipped=True)
    assert found.name.startswith("base, instruct, reasoner (lib/longcot/miniature/weights/world1/base): in its own")
    assert previews(load_study("params/miniature.yaml", ["models.base.path=no/such"]))[0].name.endswith(
        "will look at it"
    )


@pytest.mark.parametrize(
    "template, changes, words",
    [
        ("{% for m in messages %}{{ m.content }", {}, "models.base: model: its chat template refuses"),
        ("{{ raise_exception('not today') }}", {}, r"refuses a conversation of user \(not today\); change prompt.sys"),
        (
            None,
            {"prompt": {"chat_template": "own"}},
            "models.base: model: prompt.chat_template: own, but this model has",
        ),
        (
            "",
            {"prompt": {"chat_template": "nothing.jinja"}},
            r"chat_template: no file nothing.jinja \(looked for in the project, .*\); use own, chatml, pl",
        ),
        (
            "{% for m in messages %}[{{ m.content }}]{% endfor %}",
            {},
            "it does not end a turn with a token, but with ']'",
        ),
        (
            "",
            {"models": {"base": {"context": 5}}},
            "tokens leaves no room in its context of 5; shorten prompt.template",
        ),
        (
            "",
            {"lora": {"trainable_token_indices": ["<x>"]}},
            "models.base: lora.trainable_token_indices: '<x>' is none",
        ),
        (
            "",
            {"lora": {"modules_to_save": ["lm_head"]}, "models": {"base": {"server": {"urls": ["http://x/v1"]}}}},
            "tuned: vLLM serves no adapter with lora.modules_to_save .*; leave out models.base.server, to",
        ),
        (
            "",
            {
                "models": {"base": {"server": {"urls": ["http://x/v1"], "api": "chat"}}},
                "prompt": {"chat_template": "plain"},
            },
            "models.base: api: chat has the server's chat template; use api: completions",
        ),
    ],
)
def test_what_is_wrong_is_one_line(study, template, changes, words):
    if template is None:
        (study.model / "chat_template.jinja").unlink()
    elif template:
        (study.model / "chat_template.jinja").write_text(template)
    if "models" in changes:
        changes["models"]["base"]["path"] = str(study.model)
    with pytest.raises(BadInput, match=words) as found:
        previews(study(**changes))
    assert "\n" not in str(found.value)


def test_a_tokenizer_that_is_not_there_is_one_line(study):
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (study.model / file).unlink()
    with pytest.raises(BadInput, match=r"models.base: model: cannot load this tokenizer \(no vocabulary with it\)"):
        previews(study())


def test_the_first_trace_is_the_teacher_s_own_where_it_is_made(study, tmp_path, monkeypatch):
    monkeypatch.setattr("longcot.files.paths.ROOT", tmp_path)
    one = Trace(problem_id="p", sample=0, problem="Q", expected_answer="5", model="m", text="made already")
    (tmp_path / "runs/previewed/traces/t").mkdir(parents=True)
    write_traces(tmp_path / "runs/previewed/traces/t/training.jsonl", [one])
    assert "learnt     made already<|im_end|>" in shown(study())


@pytest.mark.skipif(not REAL, reason="LONGCOT_REAL_MODELS names no folder of real models")
@pytest.mark.parametrize(
    "name, sent, stops",
    [
        ("SmolLM2-135M-Instruct", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|> (2)"),
        ("gemma-3-270m", "<bos>Problem:\nhi\n\nSolution:\n", "<eos> (1), '\\nProblem:'"),
    ],
)
def test_real_models(study, name, sent, stops):
    from transformers import AutoTokenizer

    folder = Path(REAL) / name
    user = [{"role": "user", "content": "hi"}]
    assert render(AutoTokenizer.from_pretrained(folder), user, add_generation_prompt=True) == sent
    assert f"  stops      {stops}" in shown(study(models={"base": {"path": str(folder)}}))
