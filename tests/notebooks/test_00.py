from longcot.files.paths import ROOT, resolve
from longcot.run.notebook import run_notebook

SMALLEST = {"width": 128, "layers": 1, "steps": 2, "rows_per_step": 2, "workers": 0, "conversations": 4, "epochs": 1}


def test_pretrain_miniature(tmp_path):
    made, published = tmp_path / "made", tmp_path / "weights"
    where = {"out_dir": str(made), "publish_to": str(published)}
    run_notebook(
        ROOT / "notebooks/00_pretrain_miniature.ipynb",
        tmp_path / "00.ipynb",
        SMALLEST | where | {"world": 3, "scored": 2, "max_new_tokens": 4, "threads": 1},
    )
    for name in ("base/model.safetensors", "reasoner/adapter_model.safetensors", "instruct/adapter_config.json"):
        assert (published / name).is_file()
    card = (published / "README.md").read_text()
    assert "world 3" in card and "base, long format" in card and str(tmp_path) not in card


def test_the_shipped_weights_fit_the_limits():
    for world in resolve("lib/longcot/miniature/weights").iterdir():
        sizes = {name: (world / name).stat().st_size for name in (
            "base/model.safetensors", "reasoner/adapter_model.safetensors", "instruct/adapter_model.safetensors",
        )}  # fmt: skip
        assert sizes.pop("base/model.safetensors") < 12e6 and max(sizes.values()) < 2e6
        assert "NVIDIA" in (world / "README.md").read_text() or "CPU cores" in (world / "README.md").read_text()
