"""`python -m longcot.publish RUN_DIR ARM FOLDER [--license …]`: an arm's adapter and training set, for the Hub."""

import argparse
import sys

from longcot.files.errors import command
from longcot.report.publish.folder import publish


@command
def main() -> None:
    """The command line. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot.publish", description=__doc__)
    parser.add_argument("run_dir", help="as runs/miniature, of a study that was run to its end")
    parser.add_argument("arm", help="a fine-tuned arm of the study")
    parser.add_argument("folder", help="a new folder for adapter/ and dataset/")
    parser.add_argument("--license", default="unknown", help="of both, the Hub's identifier, as apache-2.0")
    parser.add_argument("--base", default="", help="the base's Hub id, where the study names a directory")
    parser.add_argument("--repo", default="", help="where you will upload both, OWNER/NAME, for the cards' links")
    given = parser.parse_args()
    options = {"license": given.license, "base": given.base, "repo": given.repo}
    where = publish(given.run_dir, given.arm, given.folder, **options)
    if not where.on_hub:
        print(f"The base {where.base} is a directory of this project: readers need it; --base names its Hub id.")
    repo = given.repo or "OWNER/NAME"
    print(f"Read both README.md, then:\nhf upload {repo} {given.folder}/adapter")
    print(f"hf upload {repo} {given.folder}/dataset --repo-type dataset")


if __name__ == "__main__":
    sys.exit(main())
