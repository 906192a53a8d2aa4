"""The program `longcot`: all that is done to a study and to its run, from the command line.

Each command is a function, here or in `run.commands`: its docstring is its `--help`, the first line what
`longcot --help` says of it. A command imports what it needs when it runs, so that help, the version and `check` come at
once, without torch.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from longcot import __version__
from longcot.files.errors import advice, command
from longcot.files.paths import display_path, model_source
from longcot.files.run_directory import STUDY, adapter
from longcot.run.arguments import (
    Parser,
    checked_study,
    each,
    new,
    study_in,
    study_to_run,
    there,
    traces_in,
    warn,
)
from longcot.run.commands.compare import compare
from longcot.run.commands.init import init
from longcot.run.commands.keys import keys
from longcot.run.commands.locate import locate
from longcot.run.commands.status import status

ABOUT = """\
longcot COMMAND --help says what a command reads, writes and returns, with an example. Paths are looked for from where
you are, then from the project. Exit status: 0; 1 after one line of what is wrong; 2 where the words are not understood.
"""


def check(parser: Parser, words: Sequence[str]) -> int:
    """Find what is wrong in a study, before anything runs.

    Reads:    the study, and what it starts from: problems, folders of models and adapters, files of traces
    Writes:   nothing; prints what each model that does not come with the project is sent, learns and stops on, and
              what was looked at
    Returns:  0 where all is right; 1 after a line for each thing that is wrong: file, line, key and the fix
    Example:  longcot check params/miniature.yaml
    """
    parser.add_study(nargs="+")
    parser.add_changes()
    given = parser.read(words)

    def check_one(path: Path) -> None:
        from longcot.run.training_fit import training_warnings

        study, told = checked_study(path, given.config, print)
        warn(training_warnings(study))
        print(f"{display_path(path)}: nothing wrong", *told, sep="\n")

    return each(map(there, given.study), check_one)


def plan(parser: Parser, words: Sequence[str]) -> None:
    """Say what a study would do, and what that would cost.

    Reads:    the study, what it starts from, and what is made already: lengths are measured where traces exist
    Writes:   nothing; prints jobs, models, what they are sent, tokens, disk, hours, and commands of servers to start
    Returns:  0; 1 after one line of what is wrong
    Example:  longcot plan params/paper.yaml --cores 8 --config sampling.samples=4
    """
    parser.add_study()
    parser.add_machine()
    parser.add_changes()
    given = parser.read(words)
    study = study_to_run(there(given.study), given.config)
    from longcot.run.launch import cores_of, profile_path, side_by_side
    from longcot.run.plan import plan

    profile = profile_path(given.profile) if given.profile else None
    cores = cores_of(study, given.cores, profile)
    print(plan(study, cores, None if profile else side_by_side(study, cores)))


def run(parser: Parser, words: Sequence[str]) -> None:
    """Run a study to its report, or go on with one that was stopped.

    Reads:    the study, what it starts from, and what is made already, which is not made again
    Writes:   runs/<study>/: traces, training sets, adapters, tables, figures, executed notebooks, report.html
    Returns:  0; 1 after what went wrong, one line a job; the same command again goes on from what is written
    Example:  longcot run params/miniature.yaml --cores 4 -- --dry-run
    """
    parser.add_study()
    parser.add_machine()
    parser.add_changes()
    parser.usage = f"{parser.prog} STUDY [options] [-- SNAKEMAKE'S OWN OPTIONS]"
    own = [*words, "--"].index("--")
    given = parser.read(words[:own], "; Snakemake's own options come after --")
    study = study_to_run(there(given.study), given.config, lambda preview: warn(preview.notes))
    from longcot.run.engine_fit import engine_fit
    from longcot.run.launch import profile_path, run
    from longcot.run.training_fit import training_warnings

    profile = profile_path(given.profile) if given.profile else None
    if not profile:
        warn([*training_warnings(study), *(words for fits, words in engine_fit(study).values() if not fits)])
    run(study, given.cores, profile, words[own + 1 :])


def figures(parser: Parser, words: Sequence[str]) -> None:
    """Draw a study's figures, tables, report and page of traces again from its stored traces.

    Reads:    the run directory: traces, training sets, losses; where there is none, the run shipped with the project
    Writes:   tables/, figures/, the executed notebook and report.html in it; of a shipped run in runs/<study>-shipped
    Returns:  0, the report's path printed; 1 after one line of what is wrong
    Example:  longcot figures params/miniature.yaml
    """
    parser.add_study()
    parser.add_changes()
    given = parser.read(words)
    path = there(given.study)
    study = study_in(path, given.config)
    from longcot.run.redraw import redraw

    print(display_path(redraw(study, path if path.is_dir() else None)))


def report(parser: Parser, words: Sequence[str]) -> int:
    """Write the report of a run again, from its executed notebook, and the page of its traces.

    Reads:    notebooks/04_plot_evaluation.ipynb in the run directory (02_… of a run that only curates); its manifests
              and traces
    Writes:   report.html in it; traces.html with traces_files/, unless the traces have more than 2 GB
    Returns:  0, the report's path printed; 1 after one line of what is wrong
    Example:  longcot report runs/miniature
    """
    parser.add_run(nargs="+")
    given = parser.read(words)
    from longcot.report.page import write_report
    from longcot.report.trace_page.write import write_trace_page

    def report_one(run: Path) -> None:
        warn(filter(None, [write_trace_page(run)]))
        print(display_path(write_report(run)))

    return each(map(there, given.run), report_one)


def regrade(parser: Parser, words: Sequence[str]) -> int:
    """Grade traces again, after a change of the grader; nothing is sampled again.

    Reads:    files of traces, or all those of a run directory
    Writes:   the same files and their manifests; the next run makes anew what was made from them
    Returns:  0, how many verdicts changed printed for each file; 1 after one line of what is wrong
    Example:  longcot regrade runs/miniature
    """
    parser.add_argument("traces", metavar="FILE", nargs="+", help="a file of traces, or a run directory: all of its")
    given = parser.read(words)
    from longcot.grading.regrade import regrade_file

    def regrade_one(path: Path) -> None:
        began = time.perf_counter()
        print(
            f"{display_path(path)}: {regrade_file(path)} verdicts changed, {time.perf_counter() - began:.1f} s",
            flush=True,
        )

    return each([file for path in given.traces for file in traces_in(there(path))], regrade_one)


def publish(parser: Parser, words: Sequence[str]) -> None:
    """Make folders for the Hub of an arm's adapter and training set, or of a training set alone.

    Reads:    RUN ARM: a finished run and one of its fine-tuned arms; TRAINING_SET: a file, as 02_… writes it
    Writes:   a new FOLDER: of an arm adapter/ and dataset/, else Parquet, dataset card and data sheet; uploads nothing
    Returns:  0, how to upload them printed; 1 after one line of what is wrong
    Example:  longcot publish runs/miniature reasoner-20-a hub --license apache-2.0 --repo me/reasoner-20
              longcot publish runs/miniature/training_sets/reasoner-20-a.jsonl hub --license cc-by-4.0
    """
    parser.add_argument("source", metavar="RUN|TRAINING_SET", help="a run directory, or a file of a training set")
    parser.add_argument("arm", metavar="ARM", nargs="?", help="a fine-tuned arm of the run")
    parser.add_argument("folder", metavar="FOLDER", help="a new folder")
    parser.add_argument("--license", default="unknown", help="of all of it, the Hub's identifier, as apache-2.0")
    parser.add_argument("--language", default="en", help="of the training set (default: en)")
    parser.add_argument("--repo", default="", help="where you will upload it, OWNER/NAME, for the cards' links")
    parser.add_argument("--base", default="", help="the Hub id of an arm's base, where the study names a folder")
    given = parser.read(words)
    source, folder, repo = there(given.source), new(given.folder), given.repo or "OWNER/NAME"
    how = {"license": given.license, "language": given.language, "repo": given.repo}
    if not given.arm and (source.is_dir() or given.base):
        parser.error("ARM is missing: longcot publish RUN ARM FOLDER")
    if given.arm:
        from longcot.report.publish.folder import publish

        where = publish(source, given.arm, folder, base=given.base, **how)
        if not where.on_hub:
            print(f"The base {where.base} is a directory of this project: readers need it; --base names its Hub id.")
        print(f"Read both README.md, then:\nhf upload {repo} {given.folder}/adapter")
    else:
        from longcot.report.publish.hub_dataset import write_dataset

        write_dataset(source, folder, **how)
        print("Read its README.md, then:")
    print(f"hf upload {repo} {given.folder}{'/dataset' if given.arm else ''} --repo-type dataset")


def merge(parser: Parser, words: Sequence[str]) -> None:
    """Make one model of a base and its adapter, for an engine that serves no adapters.

    Reads:    the base (a folder or a Hub id) and the folder of an adapter; or both of a run's arm: RUN ARM FOLDER
    Writes:   a new FOLDER: the NF4 base, dequantized, with the adapter added, in 16 bits or 32
    Returns:  0, the folder printed; 1 after one line of what is wrong
    Example:  longcot merge runs/miniature reasoner-20-a merged

    Rounding to 16 bits changes the weights by more than many of an adapter's changes, so nothing in a study is measured
    on a merged model.
    """
    from longcot.models.base import Dtype

    parser.add_argument("base", metavar="BASE|RUN", help="a folder, a Hub id, or a run directory")
    parser.add_argument("adapter", metavar="ADAPTER|ARM", help="a folder, or of a run the name of a fine-tuned arm")
    parser.add_argument("folder", metavar="FOLDER", help="a new folder")
    parser.add_argument("--dtype", choices=get_args(Dtype), default="bfloat16", help="(default: bfloat16)")
    parser.add_argument("--revision", default="", help="of a base on the Hub (default: the run's, or main)")
    given = parser.read(words)
    base, tuned, revision = there(given.base), there(given.adapter), given.revision
    if (base / STUDY).is_file():
        from longcot.report.publish.finished_arm import trained_arm

        study, arm = trained_arm(base, given.adapter)
        model, tuned = study.models[arm.model], base / adapter(arm.name)
        base, revision = model_source(model.path), revision or model.revision
    elif not base.is_dir():
        base = given.base  # a Hub id
    from longcot.models.merging import merge_adapter

    print(display_path(merge_adapter(base, tuned, new(given.folder), given.dtype, revision or "main")))


def ship(parser: Parser, words: Sequence[str]) -> None:
    """Put a run's tables and figures into the project, with --traces all that they are drawn from.

    Reads:    the directory of a run whose figures are drawn
    Writes:   notebooks/results/<run>/, in place of what is there: CSV and PNG; with --traces run.tar.xz
    Returns:  0, the files printed with their bytes; 1 after one line of what is wrong
    Example:  longcot ship runs/miniature --traces
    """
    parser.add_run()
    parser.add_argument("--traces", action="store_true", help="also an archive, from which `longcot figures` draws")
    given = parser.read(words)
    from longcot.report.shipped import pack

    for path in sorted(pack(there(given.run), given.traces).rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>9,} {display_path(path)}")


def job(parser: Parser, words: Sequence[str]) -> None:
    """Run one job of a run directory, as notebooks/Snakefile does.

    Reads:    jobs.json in the run directory, which `longcot run` writes, and what the job's notebook reads
    Writes:   the executed notebook in it, and what that writes; why it failed, in notebooks/<job>.error.txt
    Returns:  0; 1 after one line of what is wrong
    Example:  longcot job runs/miniature 04_plot_evaluation
    """
    parser.add_run()
    parser.add_argument("job", metavar="JOB", help="the name of a job in its jobs.json")
    given = parser.read(words)
    from longcot.run.notebook import run_job

    run_job(there(given.run), given.job)


COMMANDS = {
    does.__name__: does
    for does in (
        *(init, keys, check, plan, run, status, figures, report, compare, regrade, publish, merge, locate, ship),
        job,
    )
}


@command
def main(words: Sequence[str] | None = None) -> int:
    """The program. Returns the exit status, or leaves with it (SystemExit) after help and after a usage error."""
    name, *rest = (sys.argv[1:] if words is None else words) or ["--help"]
    if name in ("-h", "--help"):
        lines = [f"  {does.__name__:<9}{(does.__doc__ or '').splitlines()[0]}" for does in COMMANDS.values()]
        print("usage: longcot COMMAND …\n", *lines, f"\n{ABOUT}", sep="\n", end="")
        return 0
    if name == "--version":
        print(f"longcot {__version__}")
        return 0
    if name not in COMMANDS:
        kind, known = ("option", ["--help", "--version"]) if name.startswith("-") else ("command", COMMANDS)
        print(f"error: no {kind} {name}; {advice(name, known)} (longcot --help says more)", file=sys.stderr)
        return 2
    return COMMANDS[name](Parser(COMMANDS[name]), rest)


if __name__ == "__main__":
    sys.exit(main())
