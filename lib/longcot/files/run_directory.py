"""The paths of a run directory, relative to it; no other file spells them.

Light: the Snakefile reads it in each job of a cluster. `<name>` is an arm's, a model's or a job's.
"""

from pathlib import Path

STUDY, JOBS, REPORT = "study.yaml", "jobs.json", "report.html"
TRACE_PAGE, TRACE_PAGE_DATA = "traces.html", "traces_files"  # the page of traces, and the folder of what it loads
LOCK = "lock"  # held by the process that runs the study
SNAKEMAKE = ".snakemake"  # Snakemake's own folder
SNAKEMAKE_LOCKS, SLURM_LOGS = f"{SNAKEMAKE}/locks", f"{SNAKEMAKE}/slurm_logs"
SUPERSEDED = "superseded"  # beside a file: where one of another recipe is set aside
LOSS, TRAINING = "loss.csv", "training.json"  # beside an adapter's weights
TOKENS, LAYERS, STEERED, FLIPS = "tokens.csv", "layers.csv", "steered.jsonl", "flips.html"  # in that of `located`

EVERY_TRACES = "traces/*/*.jsonl"
EVERY_TRAINING_SET = "training_sets/*.jsonl"
EVERY_DATA_SHEET = "training_sets/*.md"
EVERY_ADAPTER = "adapters/*"
EVERY_SAMPLED_MODEL = "models/*"
EVERY_LIKELIHOOD = "traces/*/*.likelihood.csv"
EVERY_MANIFEST = ("traces/*/*.manifest.json", "training_sets/*.manifest.json", "adapters/*.manifest.json")
EVERY_TABLE, EVERY_FIGURE = "tables/*.csv", ("figures/*.csv", "figures/*.png")
EVERY_ENGINE_LOG = "engines/*.log"
ENGINE_FOLDER = ".start"  # in place of .log: the folder in which a server runs
EVERY_ENGINE_FOLDER = f"engines/*{ENGINE_FOLDER}"
EVERY_ERROR = "notebooks/*.error.txt"
TABLES, TRACES = "tables", "traces"  # folders whose presence says that a run has some


def run_of(study: str) -> str:
    """The run directory of a study, relative to the project."""
    return f"runs/{study}"


def training_traces(name: str) -> str:
    """Traces to choose from, by their name in the study."""
    return f"{TRACES}/{name}/training.jsonl"


def likelihoods_of(traces: str) -> str:
    """Beside a file of traces, how likely a base finds each."""
    return f"{traces.removesuffix('.jsonl')}.likelihood.csv"


def benchmark_traces(arm: str) -> str:
    """An arm's traces of the benchmark."""
    return f"{TRACES}/{arm}/benchmark.jsonl"


def training_set(arm: str) -> str:
    """An arm's chosen traces."""
    return f"training_sets/{arm}.jsonl"


def adapter(arm: str) -> str:
    """The folder of an arm's adapter."""
    return f"adapters/{arm}"


def epoch_of(epoch: int | str) -> str:
    """In an adapter's folder, that of the adapter as it was after an epoch."""
    return f"epoch-{epoch}"


def checkpoint_states(adapter: Path) -> list[Path]:
    """What the trainer wrote of its steps, in each checkpoint of an adapter that is being trained."""
    return list(adapter.with_name(f"{adapter.name}.training").glob("checkpoint-*/trainer_state.json"))


def sampled_model(model: str) -> str:
    """The folder of a model as its NF4 version computes it, by its name with its revision."""
    return f"models/{model.replace('/', '--')}-nf4"


def table(name: str) -> str:
    """A table of results."""
    return f"{TABLES}/{name}.csv"


def figure(name: str) -> str:
    """A figure, without the ending: .pdf, .png, and .csv for what is drawn."""
    return f"figures/{name}"


def behaviour_counts(digest: str) -> str:
    """The explorer's counts of behaviours in files of that digest."""
    return f"explorer/behaviours-{digest}.csv"


def located(arm: str) -> str:
    """The folder of what notebook 06 finds of an arm, figures too; as a run's, they lie in `figures/` there."""
    return f"locate/{arm}"


def curves(name: str) -> str:
    """The folder of an arm's live curves, for TensorBoard."""
    return f"curves/{name}"


def executed(job: str) -> str:
    """The executed copy of a job's notebook."""
    return f"notebooks/{job}.ipynb"


def error_line(job: str) -> str:
    """Why a job ended early, in a line."""
    return f"notebooks/{job}.error.txt"


def engine_log(name: str) -> str:
    """What a server that a job started said."""
    return f"engines/{name}.log"


def stamp(job: str) -> str:
    """What says that a job ran to its end."""
    return f"stamps/{job}.done"


def notebook_source(root: Path, notebook: str) -> Path:
    """A notebook of the project, by its name."""
    return root / "notebooks" / f"{notebook}.ipynb"
