"""No false alarm: packages that many people use, installed by real uvs, have to verify clean.

    python benchmarks/popular_packages.py [--uv PATH ...] [--modes MODE ...] [--packages NAME ...]
        [--directory DIR] [--wheels DIR] [--python PATH] [--json]

The wheels are downloaded once and served by an index on this machine, so that each uv unpacks them
as they come over the network. Exit code 1 when anything was found.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import harness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PACKAGES = (
    "aiohttp", "attrs", "black", "boto3", "certifi", "cffi", "charset-normalizer", "click",
    "cryptography", "django", "fastapi", "google-auth", "google-cloud-storage", "grpcio", "idna",
    "jinja2", "jupyterlab", "lxml", "matplotlib", "mypy", "numpy", "packaging", "pandas", "pillow",
    "pip", "protobuf", "pydantic", "pygments", "pytest", "python-dateutil", "pyyaml", "requests",
    "rich", "ruff", "scikit-learn", "scipy", "setuptools", "six", "sqlalchemy", "tqdm", "urllib3",
    "virtualenv", "wheel",
)  # fmt: skip
MODES = ("clone", "copy", "hardlink", "symlink")
#: forms of installations other than an environment; each with uv's own default mode
FORMS = ("target", "prefix", "relocatable", "tool")
#: in this one everything is compiled and some of it imported before it is verified
USED = "hardlink"
#: named for the content-addressed store of uv's preview (`files-v0`)
STORE = "content-addressed-cache"


class Verified(NamedTuple):
    """One installation, and what `linkpolicy verify` says of it and of its cache."""

    uv: str
    #: a link mode, or a form
    what: str
    packages: int
    files: int
    megabytes: float
    seconds: float
    findings: list[dict[str, Any]]


class Uv:
    """One uv, with a cache of its own."""

    def __init__(self, binary: str, *, index: str, scratch: str, python: str) -> None:
        self.version = harness.Call([binary, "--version"], {}, scratch).output().split()[1]
        self._binary = binary
        self._python = python
        self._scratch = os.path.join(scratch, f"uv-{self.version}")
        os.makedirs(self._scratch)
        self._environ = {
            **harness.scratch_environ(self._scratch),
            "UV_DEFAULT_INDEX": index,
            "UV_INDEX_URL": index,
            "UV_TOOL_DIR": os.path.join(self._scratch, "tools"),
            "UV_TOOL_BIN_DIR": os.path.join(self._scratch, "bin"),
        }

    def install(self, what: str, packages: Sequence[str], *, store: bool) -> tuple[str, str]:
        """Install them in one way; the paths of the environment and of the cache."""
        cache = os.path.join(self._scratch, "store" if store else "cache")
        made = os.path.join(self._scratch, what)
        common = ["--cache-dir", cache, *(["--preview-features", STORE] if store else [])]
        target = ["--python", made]
        if what == "tool":
            self._run("tool", "install", "--python", self._python, *common, "jupyterlab")
            return os.path.join(self._scratch, "tools", "jupyterlab"), cache
        if what in ("target", "prefix"):
            self._run("venv", "--python", self._python, *common, f"{made}-interpreter")
            target = ["--python", f"{made}-interpreter", f"--{what}", made]
        else:
            movable = ["--relocatable"] if what == "relocatable" else []
            self._run("venv", "--python", self._python, *movable, *common, made)
        mode = ["--link-mode", what] if what in MODES else []
        self._run("pip", "install", *target, *mode, *common, *packages)
        if what == "relocatable":
            os.rename(made, f"{made}-moved")
            made += "-moved"
        return made, cache

    def _run(self, *words: str) -> None:
        harness.Call([self._binary, *words], self._environ, self._scratch).output()


def use(environment: str) -> None:
    """Do what people do with an environment: let Python compile and import what is in it."""
    python = os.path.join(environment, "bin", "python")
    if not os.path.exists(python):
        return
    for words in (["-m", "compileall", "-q", environment], ["-c", _IMPORTS]):
        subprocess.run(
            [python, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )


_IMPORTS = """
import contextlib, importlib
for name in "numpy pandas scipy.stats matplotlib.pyplot django.core jupyterlab black pip".split():
    with contextlib.suppress(Exception):
        importlib.import_module(name)
"""


def verify(environment: str, cache: str, state: str) -> tuple[dict[str, Any], float]:
    """What `linkpolicy verify` says of both, and the seconds that it took."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _VERIFY, "verify", "--json", environment, cache],
        env={**os.environ, "XDG_STATE_HOME": state, "HOME": state},
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise harness.BenchmarkError(f"linkpolicy verify: {done.returncode}\n{done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told, time.perf_counter() - start


_VERIFY = f"""
import sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})
from uvx_policy.cli import main
sys.exit(main(sys.argv[1:]))
"""


# The index ---------------------------------------------------------------------------------------


def download(directory: str, packages: Sequence[str], python: str) -> None:
    """Let pip put the wheels of these packages, and of what they need, into a directory."""
    os.makedirs(directory, exist_ok=True)
    words = [
        python, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
        "--disable-pip-version-check", "--dest", directory, "--find-links", directory, *packages,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise harness.BenchmarkError(f"pip download: {done.stderr[-2000:]}")


class _Index(http.server.SimpleHTTPRequestHandler):
    """The "simple" pages of the wheels of a directory, and the wheels themselves."""

    # uv keeps connections open.
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.path.startswith("/simple/"):
            super().do_GET()
            return
        wanted = self.path.strip("/").partition("/")[2]
        links = [
            f'<a href="/{name}">{name}</a><br>'
            for name in sorted(os.listdir(self.directory))
            if name.endswith(".whl") and _normal(name.split("-")[0]) == wanted
        ]
        page = "\n".join(["<!DOCTYPE html><html><body>", *links, "</body></html>"]).encode()
        self.send_response(200 if links else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: uv closes connections when it has what it wants."""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@contextlib.contextmanager
def index(directory: str) -> Iterator[str]:
    """Serve the wheels of a directory; gives the address."""
    handler = functools.partial(_Index, directory=directory)
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()
            thread.join()


# What comes of it --------------------------------------------------------------------------------


def measure(asked: argparse.Namespace, scratch: str, wheels: str) -> Iterator[Verified]:
    """Give each installation when it is verified."""
    state = os.path.join(scratch, "state")
    binaries = asked.uv or [harness.find_uv(None)]
    with index(wheels) as address:
        for binary in binaries:
            uv = Uv(os.path.abspath(binary), index=address, scratch=scratch, python=asked.python)
            ways = [(what, False) for what in asked.modes]
            if _has_store(binary):
                ways += [(STORE, True)]
            for what, store in ways:
                packages = asked.packages if what != "tool" else []
                environment, cache = uv.install(what, packages, store=store)
                if store and not os.path.isdir(os.path.join(cache, "files-v0")):
                    continue  # a uv that takes any word for the name of a preview
                if what == USED:
                    use(environment)
                told, seconds = verify(environment, cache, state)
                counts = told["counts"]
                yield Verified(
                    uv.version, what, counts["distributions"], counts["files"],
                    counts["bytes"] / 1e6, seconds, told["findings"],
                )  # fmt: skip
                shutil.rmtree(environment)


def _has_store(binary: str) -> bool:
    words = [binary, "--preview-features", STORE, "cache", "dir"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode == 0 and "nknown" not in done.stderr


def rows(verified: Sequence[Verified]) -> Iterator[tuple[str, ...]]:
    """One row for each."""
    for each in verified:
        yield (
            each.uv, each.what, f"{each.packages:,}", f"{each.files:,}", f"{each.megabytes:,.0f}",
            f"{each.seconds:.1f}", f"{len(each.findings):,}",
        )  # fmt: skip


def _tell(each: Mapping[str, Any]) -> None:
    detail = f" ({each['detail']})" if each["detail"] else ""
    said = f"{each['distribution']} {each['version']}: {each['state']}: {each['path']}{detail}"
    print(said, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uv", nargs="+", metavar="PATH", help="default: found on PATH")
    parser.add_argument(
        "--modes", nargs="+", default=[*MODES, *FORMS], choices=[*MODES, *FORMS], metavar="MODE",
        help=f"default: {' '.join((*MODES, *FORMS))}",
    )  # fmt: skip
    parser.add_argument("--packages", nargs="+", default=PACKAGES, metavar="NAME")
    parser.add_argument("--directory", metavar="DIR", help="install on this file system")
    parser.add_argument("--wheels", metavar="DIR", help="keep the wheels here for the next run")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="with pip")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    verified: list[Verified] = []
    try:
        with harness.scratch_directory(asked.directory) as scratch:
            wheels = os.path.abspath(asked.wheels or os.path.join(scratch, "wheels"))
            if asked.packages:
                download(wheels, asked.packages, asked.python)
            for each in measure(asked, scratch, wheels):
                verified.append(each)
                print(" ".join(next(rows([each]))), file=sys.stderr, flush=True)
                for finding in each.findings:
                    _tell(finding)
    except harness.BenchmarkError as error:
        harness.fail(error)
    if asked.json:
        print(json.dumps([each._asdict() for each in verified], indent=2))
    else:
        columns = ("uv", "installed", "packages", "files", "MB", "seconds", "findings")
        harness.show("Popular packages, environment and cache", columns, rows(verified), {})
    sys.exit(any(each.findings for each in verified))


if __name__ == "__main__":
    main()
