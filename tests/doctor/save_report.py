"""Save what the doctor says of a directory as a test case: reports/NAME.json.

    python -m tests.doctor.save_report NAME [DIRECTORY] [--replace OLD=NEW ...]

Names of people and of the machine are left out; `--replace` is for what else should be called
otherwise, a mount point for example. A report that somebody sent (`linkpolicy doctor --json
--redact`) is a test case as it is: put it there under a name that says what is special about it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
from pathlib import Path

from uvx_policy import cli

REPORTS = Path(__file__).parent / "reports"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("directory", nargs="?", default=".")
    parser.add_argument("--replace", action="append", default=[], metavar="OLD=NEW")
    options = parser.parse_args()
    os.chdir(options.directory)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        cli.main(["doctor", "--json", "--redact", "project"])
    text = told.getvalue()
    for pair in options.replace:
        old, _, new = pair.partition("=")
        text = text.replace(old, new)
    saved = json.loads(text)
    for finding in saved["findings"]:
        finding["ms"] = 0
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / f"{options.name}.json"
    path.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
