"""`python -m longcot check|plan|run STUDY [--cores N] [--config models.base.path=x ...]`: see a study's errors, what it
would do, or do it.
"""

import argparse
import os
import sys

import yaml

from longcot.files.errors import command
from longcot.run.launch import profile_path, run
from longcot.run.training_fit import misfits
from longcot.study.checks import check_inputs
from longcot.study.reading import load_study


@command
def main() -> None:
    """The command line. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot", description=__doc__)
    parser.add_argument("command", choices=("check", "plan", "run"))
    parser.add_argument("study")
    parser.add_argument("--cores", type=int, help="at once; default: all of this machine, or what the profile says")
    parser.add_argument("--profile", help="a Snakemake profile: a directory of params/profiles, or a path")
    parser.add_argument("--config", action="append", default=[], help="key.of.a.key=value in place of the file's")
    arguments, rest = parser.parse_known_args()
    profile = profile_path(arguments.profile) if arguments.profile else None
    cores = arguments.cores or (None if profile else os.cpu_count())
    study = load_study(arguments.study, arguments.config)
    check_inputs(study)
    for name in study.trusted:
        print(f"warning: models.{name}: trust_remote_code, so code that comes with it will run", file=sys.stderr)
    if arguments.command != "plan" and not profile:
        for words in misfits(study):
            print(f"warning: {words}", file=sys.stderr)
    if arguments.command == "run":
        run(study, cores, profile, rest)
    elif arguments.command == "plan":
        from longcot.run.plan import plan

        at_once = yaml.safe_load((profile / "config.yaml").read_text()).get("jobs") if profile else None
        print(plan(study, cores or study.jobs.threads * int(at_once or 1)))


if __name__ == "__main__":
    sys.exit(main())
