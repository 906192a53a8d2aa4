"""What the commands of the program are given: options and arguments, and the files, folders and studies they name."""

import argparse
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from longcot.files.errors import BadInput, advice, say
from longcot.files.paths import display_path, resolve
from longcot.files.run_directory import EVERY_TRACES, STUDY

if TYPE_CHECKING:
    from longcot.study.preview import Preview
    from longcot.study.study import Study


class Parser(argparse.ArgumentParser):
    """The arguments of one command. What it does not know is refused in one line, with the nearest that it knows."""

    def __init__(self, does: Callable[..., object]):
        text = inspect.cleandoc(does.__doc__ or "")
        layout = argparse.RawDescriptionHelpFormatter  # the lines of the docstring as they are
        super().__init__(f"longcot {does.__name__}", description=text, formatter_class=layout, allow_abbrev=False)

    def add_study(self, **how: Any) -> None:
        """STUDY, what most commands are about."""
        what = (
            "a study file, as params/miniature.yaml; or a run directory, as runs/miniature, of the study that ran there"
        )
        self.add_argument("study", metavar="STUDY", help=what, **how)

    def add_run(self, **how: Any) -> None:
        """RUN, of commands that need what a study has made."""
        self.add_argument("run", metavar="RUN", help="a run directory, as runs/miniature", **how)

    def add_changes(self) -> None:
        """`--config`, which several commands have."""
        what = "a value in place of the study's, as sampling.samples=8; may be given again"
        self.add_argument("--config", metavar="KEY=VALUE", action="append", default=[], help=what)

    def add_machine(self) -> None:
        """`--cores` and `--profile`, of what runs a study or plans to."""
        cores = "how many to use at once (default: all of this machine, or what the profile says)"
        self.add_argument("--cores", type=count, metavar="N", help=cores)
        self.add_argument("--profile", help="where jobs run: a folder of params/profiles, or a path (default: here)")

    def read(self, words: Sequence[str], more: str = "") -> argparse.Namespace:
        """The arguments among the words, with options anywhere. `more` is said to who gives an unknown option."""
        known = [option for action in self._actions for option in action.option_strings if option != "-h"]
        for word in words[: [*words, "--"].index("--")]:
            option = word.partition("=")[0]
            if option.startswith("-") and option not in ("-h", *known) and not option[1:].isdigit():
                self.error(f"no option {option}; {advice(option, known)}{more}")
        given, left = self.parse_known_intermixed_args(words)
        return self.error(f"one argument too many: {left[0]}") if left else given

    def error(self, message: str) -> NoReturn:
        """Leave with a usage error, in one line."""
        self.exit(2, f"error: {message} ({self.prog} --help says more)\n")


def count(text: str) -> int:
    """A number from 1 on, as typed."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def there(path: str) -> Path:
    """A file or folder as typed: from where the user is, or else from the project; `data:x` in LONGCOT_DATA."""
    here = new(path)
    return here if here.exists() else resolve(path)


def new(path: str) -> Path:
    """A file or folder that is to be, from where the user is."""
    return resolve(path) if path.startswith("~/") else Path(path).absolute()


def study_in(path: Path, changes: Sequence[str] = ()) -> "Study":
    """The study in a file, or the one that a run directory is a run of. Raises BadInput."""
    from longcot.study.reading import load_study

    if path.is_dir() and not (path / STUDY).is_file():
        raise BadInput(f"{display_path(path)}: no study.yaml in it; give a study file, or the directory of a run")
    return load_study(path / STUDY if path.is_dir() else path, changes)


def checked_study(
    path: Path, changes: Sequence[str], say: "Callable[[Preview], object] | None" = None
) -> "tuple[Study, list[str]]":
    """The study, when all that it starts from is there, and what was looked at for that, in lines.

    One that runs code of its models is warned of. With `say`, which is told how each model is spoken to, also when that
    can be done as the study says. Raises BadInput.
    """
    from longcot.run.training_fit import check_named_modules
    from longcot.study.checks import check_inputs
    from longcot.study.preview import previews

    study = study_in(path, changes)
    told = check_inputs(study)
    check_named_modules(study)
    warn(f"models.{name}: trust_remote_code, so code that comes with it will run" for name in study.trusted)
    for preview in previews(study) if say else ():
        say(preview)
    return study, told


def study_to_run(path: Path, changes: Sequence[str], say: "Callable[[Preview], object] | None" = None) -> "Study":
    """The study, as `checked_study` gives it. Raises BadInput, also for a run directory where it does not run."""
    study, _ = checked_study(path, changes, say)
    if path.is_dir() and resolve(study.run_dir).resolve() != path.resolve():
        file = f"{display_path(path)}/{STUDY}"
        raise BadInput(
            f"{display_path(path)}: its study runs in {study.run_dir}; give {file} if you mean to run it there"
        )
    return study


def traces_in(path: Path) -> list[Path]:
    """A file of traces, or all those of a run directory. Raises BadInput where a folder has none."""
    found = sorted(path.glob(EVERY_TRACES)) if path.is_dir() else [path]
    if not found:
        raise BadInput(f"{display_path(path)}: no traces in it; give the directory of a run, or a file of traces")
    return found


def warn(lines: Iterable[str]) -> None:
    """Say each on stderr."""
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def each(given: Iterable[Path], do: Callable[[Path], object]) -> int:
    """Do it with each; what is wrong with one is said, and the others are still done. Returns exit status 0 or 1."""
    failed = 0
    for one in given:
        try:
            do(one)
        except BadInput as error:
            say(error)
            failed = 1
    return failed
