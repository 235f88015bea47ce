"""What runs hooks of git, and reads YAML."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.index_programs import environment

#: what runs hooks of git; it brings PyYAML
HOOKS = ("pre-commit==4.3.0", "prek==0.5.11")


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. The environment of the tests has no parser."""
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    python = environment("hooks", *HOOKS) / "python"
    return json.loads(subprocess.check_output([python, "-c", program, path], text=True))
