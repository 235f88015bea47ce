"""Everything in one run: what the shims cost, and what a user gains.

    python benchmarks [--image btrfs | --device DIR] [--install-peers DIR] [--uv PATH]

Runs `startup.py`, and with a second device `second_environment.py`, with their default rounds (or
`--rounds N`); README.md beside this file says what their tables mean.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--device", metavar="DIR", help="a directory on another file system")
    where.add_argument("--image", metavar="KIND", help="mount a fresh btrfs, xfs or ext4, as root")
    parser.add_argument("--install-peers", metavar="DIR", help="see startup.py")
    parser.add_argument("--uv", metavar="PATH", help="the real uv (default: found on PATH)")
    parser.add_argument("--rounds", metavar="N", help="instead of 200 and 7")
    asked = parser.parse_args()

    both = [*_option("--uv", asked.uv), *_option("--pairs", asked.rounds)]
    device = _option("--device", asked.device)
    code = _run("startup.py", *both, *device, *_option("--install-peers", asked.install_peers))
    if device or asked.image:
        code = (
            _run("second_environment.py", *both, *device, *_option("--image", asked.image)) or code
        )
    else:
        print("no --image and no --device: what a user gains is not measured", file=sys.stderr)
    return code


def _option(name: str, value: str | None) -> list[str]:
    return [name, value] if value else []


def _run(script: str, *words: str) -> int:
    return subprocess.call([sys.executable, os.path.join(_HERE, script), *words])


if __name__ == "__main__":
    sys.exit(main())
