"""Runs that are shipped with the project, small: what their figures are drawn from, without models and adapters.

    longcot ship runs/miniature --traces

packs a run's tables and figures into notebooks/results/<study>/, with `--traces` also an archive of its traces,
training sets, losses and manifests, from which `make figures` draws everything where the study was never run.
"""

import io
import lzma
import shutil
import tarfile
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, display_path, resolve
from longcot.files.run_directory import (
    EVERY_ADAPTER,
    EVERY_DATA_SHEET,
    EVERY_FIGURE,
    EVERY_LIKELIHOOD,
    EVERY_MANIFEST,
    EVERY_TABLE,
    EVERY_TRACES,
    EVERY_TRAINING_SET,
    LOSS,
    STUDY,
    TABLES,
    TRAINING,
)
from longcot.files.writing import whole_folder, write_whole

RESULTS = ROOT / "notebooks" / "results"
ARCHIVE = "run.tar.xz"
KEPT = (STUDY, EVERY_TRACES, EVERY_LIKELIHOOD, EVERY_TRAINING_SET, EVERY_DATA_SHEET)
KEPT += tuple(f"{EVERY_ADAPTER}/{name}" for name in (LOSS, TRAINING, "adapter_config.json")) + EVERY_MANIFEST
PICTURES = (EVERY_TABLE, *EVERY_FIGURE)


def archive_of(name: str) -> Path:
    """Where the shipped run of a study lies, if there is one."""
    return RESULTS / name / ARCHIVE


def pack(run_dir: str | Path, traces: bool = False) -> Path:
    """Write a run's tables and figures, and with `traces` its archive, to `RESULTS`; returns the folder.

    The same run gives the same bytes. Raises BadInput for a run whose figures were not drawn.
    """
    run = resolve(run_dir).resolve()
    if not (run / TABLES).is_dir() or not (run / STUDY).is_file():
        raise BadInput(f"{display_path(run)}: no tables or no study.yaml in it; run the study to its end first")
    out = RESULTS / run.name
    with whole_folder(out) as folder:
        for path in _files(run, PICTURES):
            (folder / path.relative_to(run)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.relative_to(run))
        if traces:
            write_whole(folder / ARCHIVE, _archive(run))
    return out


def _files(run: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in run.glob(pattern) if path.is_file())


def _archive(run: Path) -> bytes:
    """The files of a run that are kept, as a tar archive that says nothing of who packed it, or when."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in _files(run, KEPT):
            entry = tarfile.TarInfo(path.relative_to(run).as_posix())
            entry.size = path.stat().st_size
            with open(path, "rb") as file:
                archive.addfile(entry, file)
    return lzma.compress(plain.getvalue(), preset=9)


def unpack(archive: Path, run_dir: Path) -> None:
    """Unpack a shipped run over a run directory. Raises BadInput for an archive that is damaged."""
    try:
        with tarfile.open(archive, mode="r:xz") as files:
            files.extractall(run_dir, filter="data")
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise BadInput(f"{display_path(archive)}: damaged ({error}); take it from the project again") from None
