"""The real uv of every supported version installs a tiny wheel; we must have known where.

Each row is a world (files, environments), variables and a command line. First `find_destination`
answers, then uv runs, then the disk is searched. The answers must be equal, or ours "unknown" where
the row permits it. What uv refuses to do must link nothing, whatever we answered.
"""

# ruff: noqa: E501, RUF012 (a row of the table is one line; a row is never changed)

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import real_uv
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.model import Destination
from uvx_policy.uv.destination import find_destination
from uvx_policy.uv.invocation import parse
from uvx_policy.uv.settings import read_uv_settings
from uvx_policy.uv.version import parse_version
from uvx_policy.uv.workspace import working_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.uv

PACKAGE = "tinylink"
SECOND = "tinyother"
PYTHON = os.path.realpath(sys.executable)
#: by a distribution, as Debian does: where its packages are cannot be told from files
PATCHED = not os.path.isdir(os.path.join(os.path.dirname(os.__file__), "site-packages"))
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
DEPENDENT = f'[project]\nname = "{{name}}"\nversion = "0.1"\nrequires-python = ">=3.8"\ndependencies = ["{PACKAGE}"]\n'
SCRIPT = f'# /// script\n# requires-python = ">=3.8"\n# dependencies = ["{PACKAGE}"]\n# ///\n'


def project(name: str = "p", more: str = "") -> str:
    return DEPENDENT.format(name=name) + more


class Row(NamedTuple):
    """One situation. Paths are relative to the world; `{w}` in variables and words is its path."""

    id: str
    words: str
    files: dict[str, str] = {}
    #: environments that exist before
    envs: tuple[str, ...] = ()
    #: link -> target
    links: dict[str, str] = {}
    variables: dict[str, str] = {}
    cwd: str = "p"
    #: our answer may be "unknown", on the versions before the given one
    unknown_before: tuple[int, ...] = ()
    #: the row says nothing about older versions
    since: tuple[int, ...] = (0,)
    #: nor about these and newer ones
    until: tuple[int, ...] = (99,)
    #: supported versions that differ from the next older one, where nothing else here says so
    changes: tuple[str, ...] = ()
    #: uv refuses, on the versions from .. to before ..
    fails: tuple[tuple[int, ...], tuple[int, ...]] = ((0,), (0,))
    #: kinds that are right although several would be told apart by nothing on the disk
    kinds: tuple[str, ...] = ()
    #: uv links, and its exit code is not 0 for another reason
    any_code: bool = False
    #: what uv links is gone when it ends, or was there before
    leaves_nothing: bool = False
    #: uv makes an environment and installs nothing into it
    only_made: bool = False
    #: our answer may be the directory that holds the right one
    above: bool = False


ALWAYS = (99,)
NEVER_FAILS = ((0,), (0,))
ALWAYS_FAILS = ((0,), ALWAYS)
P = {"p/pyproject.toml": project()}
PQ = {**P, "q/pyproject.toml": project("q")}
WORKSPACE = '[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/out"]\n'
WS = {
    "p/pyproject.toml": project("root", WORKSPACE),
    "p/packages/a/pyproject.toml": project("a"),
    "p/packages/a/src/x": "",
    "p/packages/out/pyproject.toml": project("out"),
}


def ws(members: str, exclude: str = "") -> dict[str, str]:
    table = f"[tool.uv.workspace]\nmembers = {members}\n" + (
        f"exclude = {exclude}\n" if exclude else ""
    )
    return {"p/pyproject.toml": project("root", table), "p/packages/a/pyproject.toml": project("a")}


ROWS = (
    # the project environment
    Row("sync", "sync", P),
    Row("sync-below-the-root", "sync", {**P, "p/sub/x": ""}, cwd="p/sub"),
    Row("sync-over-an-environment", "sync", P, envs=("p/.venv",)),
    Row("sync-frozen-without-a-lock", "sync --frozen", P, fails=ALWAYS_FAILS),
    Row("add", f"add {SECOND}", P),
    Row("remove", f"remove {SECOND}", {"p/pyproject.toml": project().replace('"]', f'", "{SECOND}"]')}),
    Row("lock", "lock", P),
    Row("export", "export", P),
    Row("tree", "tree", P),
    Row("add-no-sync.addendum-13", f"add --no-sync {SECOND}", P),
    Row("add-frozen.addendum-13", f"add --frozen {SECOND}", P),
    Row("add-UV_NO_SYNC", f"add {SECOND}", P, variables={"UV_NO_SYNC": "1"}),
    Row("add-UV_NO_SYNC-is-0", f"add {SECOND}", P, variables={"UV_NO_SYNC": "0"}),
    Row("add-UV_FROZEN", f"add {SECOND}", P, variables={"UV_FROZEN": "true"}),
    Row("remove-UV_FROZEN", f"remove {PACKAGE}", P, variables={"UV_FROZEN": "on"}),
    Row("sync-ignores-UV_NO_SYNC", "sync", P, variables={"UV_NO_SYNC": "1"}),
    Row("sync-dry-run.addendum-13", "sync --dry-run", P, since=(0, 8)),
    Row("sync-check.addendum-13", "sync --check", P, since=(0, 8), fails=ALWAYS_FAILS),
    Row("version-bump.trap-7", "version --bump patch", P, since=(0, 7)),
    Row("version-new.trap-7", "version 3.0", P, since=(0, 7)),
    Row("version-frozen", "version --bump patch --frozen", P, since=(0, 7)),
    Row("version-no-sync", "version --bump patch --no-sync", P, since=(0, 7)),
    Row("version-dry-run.addendum-13", "version --bump patch --dry-run", P, since=(0, 7)),
    Row("version-prints", "version", P),
    Row("version-UV_NO_SYNC", "version --bump patch", P, variables={"UV_NO_SYNC": "1"}, since=(0, 7)),
    Row("version-UV_FROZEN", "version --bump patch", P, variables={"UV_FROZEN": "1"}, since=(0, 7)),
    Row("remove-no-sync.addendum-13", f"remove --no-sync {PACKAGE}", P),
    Row("check-UV_NO_SYNC", "check", P, variables={"UV_NO_SYNC": "1"}, since=(0, 12), any_code=True, only_made=True),
    Row("check-UV_ISOLATED", "check", P, variables={"UV_ISOLATED": "1"}, since=(0, 12), any_code=True, leaves_nothing=True),
    Row("check.trap-7", "check", P, since=(0, 12), any_code=True),
    Row("check-no-sync", "check --no-sync", P, since=(0, 12), any_code=True, only_made=True),
    Row("check-no-sync-over-an-environment", "check --no-sync", P, envs=("p/.venv",), since=(0, 12), any_code=True),
    Row("check-isolated", "check --isolated", P, since=(0, 12), any_code=True, leaves_nothing=True),
    Row("check-no-project", "check --no-project", P, since=(0, 12), any_code=True),
    Row("metadata-sync", "workspace metadata --sync", P, since=(0, 12)),
    Row("metadata", "workspace metadata", P, since=(0, 12)),
    Row("metadata-sync-active", "workspace metadata --sync --active", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 12)),
    # --active, VIRTUAL_ENV, UV_PROJECT_ENVIRONMENT
    Row("VIRTUAL_ENV-is-ignored", "sync", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}),
    Row("active", "sync --active", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("active-relative", "sync --active", P, variables={"VIRTUAL_ENV": "../e"}, since=(0, 6)),
    Row("active-without-VIRTUAL_ENV", "sync --active", P, since=(0, 6)),
    Row("active-empty-VIRTUAL_ENV", "sync --active", P, variables={"VIRTUAL_ENV": ""}, since=(0, 6)),
    Row("active-beats-UPE", "sync --active", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e", "UV_PROJECT_ENVIRONMENT": "u"}, since=(0, 6)),
    Row("active-then-no-active.addendum-7", "sync --active --no-active", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("no-active-then-active.addendum-7", "sync --no-active --active", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("UPE-relative-to-root.trap-19", "sync", {**P, "p/sub/x": ""}, cwd="p/sub", variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("UPE-dotdot", "sync", P, variables={"UV_PROJECT_ENVIRONMENT": "../u"}),
    Row("UPE-absolute", "sync", P, variables={"UV_PROJECT_ENVIRONMENT": "{w}/u/v"}),
    Row("UPE-empty.trap-10", "sync", P, variables={"UV_PROJECT_ENVIRONMENT": ""}),
    Row("UPE-in-a-workspace", "sync", WS, cwd="p/packages/a", variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("CONDA_PREFIX-is-no-project-environment", "sync", P, envs=("c",), variables={"CONDA_PREFIX": "{w}/c"}),
    Row("UPE-with-slash", "sync", P, variables={"UV_PROJECT_ENVIRONMENT": "u/"}),
    Row("UPE-system-prefix", "sync", P, variables={"UV_PROJECT_ENVIRONMENT": "{w}/system"}),
    Row("UPE-dotdot-through-a-link", "sync", {**P, "far/away/x": ""}, links={"l": "{w}/far/away"}, variables={"UV_PROJECT_ENVIRONMENT": "../l/../u"}, unknown_before=ALWAYS),
    Row("active-is-the-linked-project-environment", "sync --active", P, envs=("e",), links={"p/.venv": "{w}/e"}, variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("broken-project-environment", "sync", {**P, "p/.venv/pyvenv.cfg": "home = /nothing\n"}, links={"p/.venv/bin/python": "/nothing/python"}, fails=((0,), (0, 8))),
    # workspaces
    Row("member", "sync --all-packages", WS, cwd="p/packages/a"),
    Row("member-src", "sync --all-packages", WS, cwd="p/packages/a/src"),
    Row("excluded", "sync", WS, cwd="p/packages/out"),
    Row("directory-in-a-root", "sync", WS, cwd="p/packages"),
    Row("member-by-package", "sync --package a", WS),
    Row("members-dot-slash.addendum-2", "sync", ws('["./packages/*"]'), cwd="p/packages/a", changes=("0.9.30",)),
    Row("members-trailing-slash.addendum-2", "sync", ws('["packages/*/"]'), cwd="p/packages/a", changes=("newest",)),
    Row("members-dot-slash-and-trailing.addendum-2", "sync", ws('["./packages/*/"]'), cwd="p/packages/a", changes=("0.9.30",)),
    Row("exclude-dot-slash.addendum-2", "sync", ws('["packages/*"]', '["./packages/a"]'), cwd="p/packages/a", changes=("0.9.30",)),
    Row("exclude-trailing-slash.addendum-2", "sync", ws('["packages/*"]', '["packages/a/"]'), cwd="p/packages/a", changes=("newest",)),
    Row("members-double-star", "sync", ws('["**"]'), cwd="p/packages/a", fails=ALWAYS_FAILS, kinds=("project",)),
    Row("members-double-star-inside", "sync", ws('["packages/**/a"]'), cwd="p/packages/a"),
    Row("members-star-crosses-slash", "sync", {**ws('["pack*"]'), "p/packages/pyproject.toml": project("inner")}, cwd="p/packages/a"),
    Row("members-star-and-slash", "sync", {"p/pyproject.toml": project("root", '[tool.uv.workspace]\nmembers = ["*/a"]\n'), "p/packages/x/a/pyproject.toml": project("a")}, cwd="p/packages/x/a"),
    Row("members-question-mark-and-slash", "sync", ws('["packages?a"]'), cwd="p/packages/a"),
    Row("members-class-and-slash", "sync", ws('["packages[!x]a"]'), cwd="p/packages/a"),
    Row("members-double-star-and-trailing-slash", "sync", ws('["packages/**/"]'), cwd="p/packages/a"),
    Row("exclude-star-and-slash", "sync", ws('["packages/*"]', '["pack*"]'), cwd="p/packages/a"),
    Row("members-class", "sync", ws('["packages/[a-c]"]'), cwd="p/packages/a"),
    Row("members-negated-class", "sync", ws('["packages/[!a-c]"]'), cwd="p/packages/a"),
    Row("no-member", "sync", ws('["other/*"]'), cwd="p/packages/a"),
    Row("intermediate-pyproject-hides", "sync", {**ws('["packages/*"]'), "p/packages/pyproject.toml": project("inner")}, cwd="p/packages/a"),
    Row("virtual-root", "sync --all-packages", {"p/pyproject.toml": WORKSPACE, "p/packages/a/pyproject.toml": project("a")}, cwd="p/packages/a"),
    Row("virtual-root-itself", "sync --all-packages", {"p/pyproject.toml": WORKSPACE, "p/packages/a/pyproject.toml": project("a")}),
    Row("nested-project-of-a-plain-project", "sync", {**P, "p/n/pyproject.toml": project("n")}, cwd="p/n"),
    Row("no-project-table.trap-25", "sync", {"p/pyproject.toml": f'[dependency-groups]\ndev = ["{PACKAGE}"]\n'}, fails=((0,), (0, 8, 18))),
    Row("no-project-table-captures.trap-25", "run python -c 0", {**P, "p/t/pyproject.toml": f'[dependency-groups]\ndev = ["{PACKAGE}"]\n'}, cwd="p/t", fails=((0,), (0, 8, 18))),
    Row("unmanaged-run.trap-25", "run python -c 0", {"p/pyproject.toml": project("p", "[tool.uv]\nmanaged = false\n")}),
    Row("unmanaged-sync.trap-25", "sync", {"p/pyproject.toml": project("p", "[tool.uv]\nmanaged = false\n")}, fails=ALWAYS_FAILS),
    Row("outer-root-unmanaged", "sync", {"p/pyproject.toml": project("root", WORKSPACE + "[tool.uv]\nmanaged = false\n"), "p/packages/a/pyproject.toml": project("a")}, cwd="p/packages/a"),
    # --directory, --project
    Row("directory", "--directory {w}/q sync", PQ),
    Row("directory-after", "sync --directory ../q", PQ),
    Row("UV_WORKING_DIR.trap-19", "sync", PQ, variables={"UV_WORKING_DIR": "{w}/q"}, changes=("0.9.30",)),
    Row("UV_WORKING_DIRECTORY.trap-19", "sync", PQ, variables={"UV_WORKING_DIRECTORY": "../q"}, changes=("0.9.30",)),
    Row("both-working-dirs.trap-19", "sync", PQ, variables={"UV_WORKING_DIR": "../q", "UV_WORKING_DIRECTORY": "../p"}, changes=("0.9.30",)),
    Row("directory-rebases-VIRTUAL_ENV.trap-19", "sync --active --directory ../q", {**PQ, "q/x": ""}, variables={"VIRTUAL_ENV": "e"}, since=(0, 6)),
    Row("directory-rebases-target.trap-19", f"pip install --directory ../q --target t {PACKAGE}", PQ, envs=("q/.venv",)),
    Row("project", "sync --project ../q", PQ),
    Row("UV_PROJECT", "sync", PQ, variables={"UV_PROJECT": "../q"}, changes=("0.8.15",)),
    Row("project-flag-beats-variable", "sync --project ../q", PQ, variables={"UV_PROJECT": "{w}/p"}, fails=NEVER_FAILS),
    Row("project-rebased-by-directory.trap-19", "sync --directory ../q --project ../p", PQ),
    Row("project-pyproject-file", "sync --project ../q/pyproject.toml", PQ),
    Row("project-some-file.addendum-10", "sync --project ../q/x.py", {**PQ, "q/x.py": ""}, fails=((0, 12), ALWAYS)),
    Row("project-missing-directory", "sync --project ../q/nothing", PQ, fails=((0, 12), ALWAYS)),
    Row("project-link-to-member.addendum-9", "sync --project {w}/l", WS, links={"l": "p/packages/a"}),
    Row("directory-link-to-member.addendum-9", "sync --all-packages --directory {w}/l", WS, links={"l": "p/packages/a"}),
    Row("project-dotdot-through-a-link.addendum-9", "sync --project {w}/l/../q", {**PQ, "far/away/x": ""}, links={"l": "{w}/far/away"}),
    Row("empty-UV_PROJECT.trap-10", "sync", P, variables={"UV_PROJECT": ""}, unknown_before=ALWAYS, fails=((0, 6, 11), ALWAYS)),
    Row("empty-UV_WORKING_DIR.trap-10", "sync", P, variables={"UV_WORKING_DIR": ""}, unknown_before=ALWAYS, fails=((0, 9, 14), ALWAYS)),
    # uv run
    Row("run", "run python -c 0", P),
    Row("run-alone", "run", P, any_code=True),
    Row("run-module", "run -m this", P),
    Row("run-no-sync", "run --no-sync python -c 0", P, only_made=True),
    Row("run-no-sync-over-an-environment", "run --no-sync python -c 0", P, envs=("p/.venv",)),
    Row("run-UV_NO_SYNC", "run python -c 0", P, variables={"UV_NO_SYNC": "yes"}, only_made=True),
    Row("run-isolated", "run --isolated python -c 0", P, leaves_nothing=True),
    Row("run-UV_ISOLATED", "run python -c 0", P, variables={"UV_ISOLATED": "1"}, leaves_nothing=True, changes=("0.8.15",)),
    Row("run-no-project", "run --no-project python -c 0", P),
    Row("run-UV_NO_PROJECT", "run python -c 0", P, variables={"UV_NO_PROJECT": "1"}, changes=("newest",)),
    Row("run-outside", "run python -c 0", {"e/x": ""}, cwd="e"),
    Row("run-outside-with-.venv", "run python -c 0", {"e/x": ""}, envs=("e/.venv",), cwd="e"),
    Row("run-active", "run --active python -c 0", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("run-script-plain", "run s.py", {**P, "p/s.py": "pass\n"}),
    Row("run-script-block", "run s.py", {**P, "p/s.py": SCRIPT}),
    Row("run-script-block-outside", "run s.py", {"e/s.py": SCRIPT}, cwd="e"),
    Row("run-script-block-active", "run --active s.py", {**P, "p/s.py": SCRIPT}, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("run-script-block-active-missing", "run --active s.py", {**P, "p/s.py": SCRIPT}, variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("run-script-option", "run --script s", {**P, "p/s": SCRIPT}),
    Row("run-script-option-plain", "run -s s", {**P, "p/s": "pass\n"}),
    Row("run-python-script-ignores-block", "run python s.py", {**P, "p/s.py": SCRIPT}),
    Row("run-block-not-at-line-start", "run s.py", {**P, "p/s.py": 'x = """ # /// script """\n'}),
    Row("run-block-two", "run s.py", {**P, "p/s.py": "# /// other\n# x = 1\n# ///\n" + SCRIPT}),
    Row("run-block-trailing-blank", "run s.py", {**P, "p/s.py": SCRIPT.replace("script\n", "script \n")}),
    Row("run-other-project.trap-8", "run ../q/s.py", {**PQ, "q/s.py": "pass\n"}, changes=("newest",)),
    Row("run-other-directory.trap-8", "run ../q/s.py", {**P, "q/s.py": "pass\n"}),
    Row("run-other-directory-with-settings.trap-8", "run ../q/s.py", {**P, "q/s.py": "pass\n", "q/uv.toml": "preview = false\n"}),
    Row("run-other-directory-below-a-project.trap-8", "run ../q/sub/s.py", {**PQ, "q/sub/s.py": "pass\n"}, changes=("newest",)),
    Row("run-other-unmanaged.trap-8", "run ../q/s.py", {**P, "q/s.py": "pass\n", "q/pyproject.toml": project("q", "[tool.uv]\nmanaged = false\n")}, changes=("newest",)),
    Row("run-other-without-project-table.trap-8", "run ../q/s.py", {**P, "q/s.py": "pass\n", "q/pyproject.toml": "[tool.x]\n"}, since=(0, 12), only_made=True),
    Row("run-other-project-script-option.trap-8", "run -s ../q/s.py", {**PQ, "q/s.py": "pass\n"}, changes=("newest",)),
    Row("run-other-package.trap-8", "run ../q/pack", {**PQ, "q/pack/__main__.py": ""}, changes=("newest",)),
    Row("run-python-other.trap-8", "run python ../q/s.py", {**PQ, "q/s.py": "pass\n"}),
    Row("run-other-with-project.trap-8", "run --project . ../q/s.py", {**PQ, "q/s.py": "pass\n"}),
    Row("run-other-from-outside.trap-8", "run ../q/s.py", {**PQ, "q/s.py": "pass\n", "e/x": ""}, cwd="e", changes=("newest",)),
    Row("run-other-preview.trap-8", "run --preview ../q/s.py", {**PQ, "q/s.py": "pass\n"}, unknown_before=(0, 12), changes=("0.9.30", "newest")),
    Row("run-below-with-slash", "run sub/s.py", {**P, "p/sub/s.py": "pass\n"}),
    Row("run-shell-script-elsewhere", "run ../q/tool", {**PQ, "q/tool": "#!/bin/sh\n:\n"}),
    Row("run-package", "run pack", {**P, "p/pack/__main__.py": ""}),
    Row("run-stdin", "run -", P, unknown_before=ALWAYS),
    Row("run-with.trap-7", f"run --with {SECOND} python -c 0", P),
    Row("run-with-outside", f"run --with {PACKAGE} python -c 0", {"e/x": ""}, cwd="e"),
    Row("run-with-and-no-sync", f"run --no-sync --with {PACKAGE} python -c 0", P, only_made=True),
    Row("run-with-and-no-sync-over-an-environment", f"run --no-sync --with {PACKAGE} python -c 0", P, envs=("p/.venv",)),
    Row("run-with-and-no-project", f"run --no-project -w {PACKAGE} python -c 0".replace("-w", "--with"), P),
    Row("env-file-moves.addendum-1", "run --env-file f python -c 0", {**P, "p/f": "UV_PROJECT_ENVIRONMENT=u\n"}, unknown_before=(0, 11, 17)),
    Row("UV_ENV_FILE-moves.addendum-1", "run python -c 0", {**P, "p/f": "UV_PROJECT_ENVIRONMENT=u\n"}, variables={"UV_ENV_FILE": "f"}, unknown_before=(0, 11, 17)),
    Row("env-file-loses.addendum-1", "run --env-file f python -c 0", {**P, "p/f": "UV_PROJECT_ENVIRONMENT=u\n"}, variables={"UV_PROJECT_ENVIRONMENT": "v"}),
    Row("env-file-active.addendum-1", "run --active --env-file f python -c 0", {**P, "p/f": "VIRTUAL_ENV=u\n"}, unknown_before=(0, 11, 17), since=(0, 6)),
    Row("env-file-harmless.addendum-1", "run --env-file f python -c 0", {**P, "p/f": "X=1\nUV_CACHE_DIR=u\n"}),
    Row("no-env-file.addendum-1", "run --no-env-file python -c 0", {**P, "p/f": "UV_PROJECT_ENVIRONMENT=u\n"}, variables={"UV_ENV_FILE": "f"}),
    # scripts, uvx, build: in the cache
    Row("sync-script", "sync --script s.py", {**P, "p/s.py": SCRIPT}, since=(0, 6)),
    Row("sync-script-active", "sync --script s.py --active", {**P, "p/s.py": SCRIPT}, variables={"VIRTUAL_ENV": "../e"}, since=(0, 6)),
    Row("add-script", f"add --script s.py {SECOND}", {**P, "p/s.py": SCRIPT}),
    Row("uvx", f"tool run --from {PACKAGE} python -c 0", {"e/x": ""}, cwd="e"),
    Row("uvx-installed-tool.addendum-5", f"tool run {PACKAGE}", {"e/x": ""}, cwd="e", leaves_nothing=True),
    # preview centralized-project-envs
    Row("centralized-preview", "sync --preview-features centralized-project-envs", P, since=(0, 12)),
    Row("centralized-preview-all", "sync --preview", P, kinds=("cache", "project"), changes=("newest",)),
    Row("centralized-configuration", "sync", {"p/pyproject.toml": project("p", "[tool.uv]\npreview = true\n")}, changes=("newest",)),
    Row("centralized-but-no-preview", "sync --no-preview", {"p/pyproject.toml": project("p", "[tool.uv]\npreview = true\n")}),
    Row("centralized-but-UPE", "sync --preview", P, variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("centralized-UV_PREVIEW", "sync", P, variables={"UV_PREVIEW": "1"}, changes=("newest",)),
    Row("centralized-UV_PREVIEW_FEATURES", "sync", P, variables={"UV_PREVIEW_FEATURES": "centralized-project-envs"}, since=(0, 12)),
    Row("centralized-configured-features", "sync", {"p/pyproject.toml": project("p", '[tool.uv]\npreview-features = ["centralized-project-envs"]\n')}, since=(0, 12)),
    Row("centralized-UV_PREVIEW-0-over-configuration", "sync", {"p/pyproject.toml": project("p", "[tool.uv]\npreview = true\n")}, variables={"UV_PREVIEW": "0"}, changes=("newest",)),
    Row("centralized-UV_PREVIEW-and-other-feature", "sync --preview-features add-bounds", P, variables={"UV_PREVIEW": "1"}, since=(0, 8, 15), changes=("newest",)),
    Row("centralized-configuration-and-other-feature", "sync --preview-features add-bounds", {"p/pyproject.toml": project("p", "[tool.uv]\npreview = true\n")}, since=(0, 8, 15), changes=("newest",)),
    Row("centralized-configured-features-and-other", "sync --preview-features add-bounds", {"p/pyproject.toml": project("p", '[tool.uv]\npreview-features = ["centralized-project-envs"]\n')}, since=(0, 12)),
    Row("centralized-preview-and-feature", "sync --no-preview --preview-features centralized-project-envs", P, since=(0, 12)),
    Row("centralized-two-features", "sync --preview-features add-bounds --preview-features centralized-project-envs", P, since=(0, 12)),
    Row("centralized-comma", "sync --preview-features add-bounds,centralized-project-envs", P, since=(0, 12)),
    Row("centralized-but-no-cache", "sync --preview --no-cache", P),
    Row("centralized-run", "run --preview python -c 0", P, changes=("newest",)),
    Row("centralized-active", "sync --preview --active", P, variables={"VIRTUAL_ENV": "{w}/e"}, since=(0, 6)),
    Row("unknown-preview-feature.addendum-11", "sync --preview-features bogus", P, since=(0, 8, 15), fails=((0, 9), (0, 11, 20))),
    # symlinked .venv
    Row("venv-link-to-empty.addendum-0", "sync", P, links={"p/.venv": "{w}/t/"}),
    Row("venv-link-dangling.trap-9", "sync", P, links={"p/.venv": "{w}/t"}, fails=ALWAYS_FAILS, kinds=("project",)),
    Row("venv-is-a-file", "sync", {**P, "p/.venv": "x"}, unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    # uv pip
    Row("pip-venv-here", f"pip install {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-sync", "pip sync r.txt", {**P, "p/r.txt": PACKAGE}, envs=("p/.venv",)),
    Row("pip-venv-above", f"pip install {PACKAGE}", {**P, "p/sub/deep/x": ""}, envs=("p/.venv",), cwd="p/sub/deep"),
    Row("pip-member-venv.trap-7", f"pip install {PACKAGE}", WS, envs=("p/.venv", "p/packages/a/.venv"), cwd="p/packages/a"),
    Row("pip-inside-an-environment", f"pip install {PACKAGE}", {"e/sub/x": ""}, envs=("e",), cwd="e/sub"),
    Row("pip-active", f"pip install {PACKAGE}", P, envs=("p/.venv", "e"), variables={"VIRTUAL_ENV": "{w}/e"}),
    Row("pip-active-relative", f"pip install {PACKAGE}", P, envs=("p/.venv", "e"), variables={"VIRTUAL_ENV": "../e"}),
    Row("pip-active-missing.addendum-4", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"VIRTUAL_ENV": "{w}/nothing"}),
    Row("pip-active-missing-alone.addendum-4", f"pip install {PACKAGE}", P, variables={"VIRTUAL_ENV": "{w}/nothing"}, unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-active-empty-directory", f"pip install {PACKAGE}", {**P, "e/x": ""}, envs=("p/.venv",), variables={"VIRTUAL_ENV": "{w}/e"}),
    Row("pip-active-empty-string.trap-10", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"VIRTUAL_ENV": ""}),
    Row("pip-active-flag-is-no-pip-flag", f"pip install --active {PACKAGE}", P, envs=("p/.venv",), unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-active-link", f"pip install {PACKAGE}", P, envs=("e",), links={"l": "{w}/e"}, variables={"VIRTUAL_ENV": "{w}/l/"}),
    Row("pip-active-system-prefix", f"pip install {PACKAGE}", P, variables={"VIRTUAL_ENV": "{w}/system"}, unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-active-system-prefix-and-.venv", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"VIRTUAL_ENV": "{w}/system"}, unknown_before=ALWAYS),
    Row("pip-parent-interpreter-of-the-system.trap-7", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"UV_INTERNAL__PARENT_INTERPRETER": "{w}/system/bin/python3"}),
    Row("pip-parent-interpreter-and-system-flag.trap-7", f"pip install --system {PACKAGE}", P, envs=("p/.venv",), variables={"UV_INTERNAL__PARENT_INTERPRETER": "{w}/p/.venv/bin/python3", "PATH": "{w}/system/bin"}, unknown_before=ALWAYS),
    Row("pip-active-broken", f"pip install {PACKAGE}", {**P, "e/pyvenv.cfg": "home = /nothing\n"}, envs=("p/.venv",), links={"e/bin/python": "/nothing/python"}, variables={"VIRTUAL_ENV": "{w}/e"}, unknown_before=ALWAYS, any_code=True),
    Row("pip-check.addendum-13", f"pip install --check {PACKAGE}", P, envs=("p/.venv",), since=(0, 13), fails=ALWAYS_FAILS),
    Row("pip-sync-check.addendum-13", "pip sync --check r.txt", {**P, "p/r.txt": PACKAGE}, envs=("p/.venv",), since=(0, 13), fails=ALWAYS_FAILS),
    Row("pip-nothing", f"pip install {PACKAGE}", P, unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-project-does-not-count", f"pip install --project ../q {PACKAGE}", PQ, envs=("p/.venv", "q/.venv")),
    Row("pip-UPE-does-not-count", f"pip install {PACKAGE}", P, envs=("p/.venv", "u"), variables={"UV_PROJECT_ENVIRONMENT": "{w}/u"}),
    Row("pip-directory", f"pip install --directory ../q {PACKAGE}", PQ, envs=("p/.venv", "q/.venv")),
    Row("pip-python-directory", f"pip install -p ../e {PACKAGE}", P, envs=("p/.venv", "e")),
    Row("pip-python-bare-directory", f"pip install -p e {PACKAGE}", P, envs=("p/.venv", "p/e")),
    Row("pip-python-interpreter", f"pip install --python {{w}}/e/bin/python {PACKAGE}", P, envs=("p/.venv", "e")),
    Row("pip-python-interpreter-relative", f"pip install --python ../e/bin/python3 {PACKAGE}", P, envs=("p/.venv", "e")),
    Row("pip-python-link-into-environment", f"pip install --python {{w}}/l {PACKAGE}", P, envs=("p/.venv", "e"), links={"l": "{w}/e/bin/python", "own": "{w}/system"}, unknown_before=ALWAYS, any_code=True),
    Row("pip-python-bin-directory", f"pip install --python {{w}}/e/bin {PACKAGE}", P, envs=("p/.venv", "e"), unknown_before=ALWAYS, any_code=True),
    Row("pip-python-and-system-variable", f"pip install --python ../e {PACKAGE}", P, envs=("p/.venv", "e"), variables={"UV_SYSTEM_PYTHON": "1"}),
    Row("pip-UV_PYTHON.trap-7", f"pip install {PACKAGE}", P, envs=("p/.venv", "e"), variables={"UV_PYTHON": "{w}/e"}),
    Row("pip-UV_PYTHON-empty.trap-10", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"UV_PYTHON": ""}),
    Row("pip-python-version", f"pip install -p {MINOR} {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-python-name-with-version.addendum-3", f"pip install -p python{MINOR} {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-python3.addendum-3", f"pip install -p python3 {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-python-other-version", f"pip install -p 3.99 {PACKAGE}", P, envs=("p/.venv",), unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-python-bare-name.addendum-3", f"pip install -p python {PACKAGE}", P, envs=("p/.venv",), unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-python-bare-name-in-path.addendum-3", f"pip install -p python {PACKAGE}", P, envs=("p/.venv", "e"), variables={"PATH": "{w}/e/bin"}),
    Row("pip-python-range", f"pip install -p >=3.8 {PACKAGE}", P, envs=("p/.venv",), unknown_before=ALWAYS),
    Row("pip-python-cpython", f"pip install -p cpython {PACKAGE}", P, envs=("p/.venv",), unknown_before=ALWAYS),
    Row("pip-configured-python.trap-7", f"pip install {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv.pip]\npython = "../e"\n')}, envs=("p/.venv", "e")),
    Row("pip-parent-interpreter.trap-7", f"pip install {PACKAGE}", P, envs=("p/.venv", "e", "v"), variables={"VIRTUAL_ENV": "{w}/v", "UV_INTERNAL__PARENT_INTERPRETER": "{w}/e/bin/python3"}),
    Row("pip-path-environment.trap-7", f"pip install {PACKAGE}", {"f/x": ""}, envs=("e",), cwd="f", variables={"PATH": "{w}/e/bin"}),
    Row("pip-path-environment-loses", f"pip install {PACKAGE}", P, envs=("e", "p/.venv"), variables={"PATH": "{w}/e/bin"}),
    Row("pip-path-second-environment", f"pip install {PACKAGE}", {"f/x": ""}, envs=("e",), cwd="f", variables={"PATH": "{w}/system/bin:{w}/e/bin"}, unknown_before=ALWAYS, fails=((0, 5, 28), ALWAYS)),
    Row("pip-conda-child.trap-7", f"pip install {PACKAGE}", {**P, "c/conda-meta/x": ""}, envs=("p/.venv", "c"), variables={"CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "c"}),
    Row("pip-conda-base.addendum-6", f"pip install {PACKAGE}", {**P, "c/conda-meta/x": ""}, envs=("p/.venv", "c"), variables={"CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "base"}, unknown_before=(0, 8, 18)),
    Row("pip-conda-named-base.addendum-6", f"pip install {PACKAGE}", {**P, "base/conda-meta/x": ""}, envs=("p/.venv", "base"), variables={"CONDA_PREFIX": "{w}/system", "CONDA_DEFAULT_ENV": "base"}, unknown_before=ALWAYS, changes=("0.9.30",)),
    Row("pip-conda-other-name.addendum-6", f"pip install {PACKAGE}", {**P, "c/conda-meta/x": ""}, envs=("p/.venv", "c"), variables={"CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "d"}, unknown_before=ALWAYS, changes=("0.9.30",)),
    Row("pip-conda-pixi.addendum-6", f"pip install {PACKAGE}", {**P, "c/conda-meta/pixi": ""}, envs=("p/.venv", "c"), variables={"CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "default"}, unknown_before=ALWAYS),
    Row("pip-conda-loses-to-VIRTUAL_ENV", f"pip install {PACKAGE}", {**P, "c/conda-meta/x": ""}, envs=("e", "c"), variables={"VIRTUAL_ENV": "{w}/e", "CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "c"}),
    Row("pip-target", f"pip install --target ../t {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-target-inside", f"pip install --target vendor {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-target-here", f"pip install --target . {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-prefix-flag-and-target-flag", f"pip install --prefix a --target b {PACKAGE}", P, envs=("p/.venv",), fails=ALWAYS_FAILS),
    Row("pip-target-dotdot-through-a-link", f"pip install --target ../l/../t {PACKAGE}", {**P, "far/away/x": ""}, envs=("p/.venv",), links={"l": "{w}/far/away"}, unknown_before=ALWAYS),
    Row("pip-prefix", f"pip install --prefix ../t {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-configured-target.trap-7", f"pip install {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv.pip]\ntarget = "t"\n'), "p/sub/x": ""}, envs=("p/.venv",), cwd="p/sub"),
    Row("pip-user-configured-target.trap-7", f"pip install {PACKAGE}", {**P, "home/.config/uv/uv.toml": '[pip]\ntarget = "t"\n'}, envs=("p/.venv",)),
    Row("pip-configured-target-and-prefix-flag", f"pip install --prefix x {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv.pip]\ntarget = "t"\n')}, envs=("p/.venv",)),
    Row("pip-target-ignored-with-no-config", f"pip install --no-config --offline --no-index --find-links {{wheels}} {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv.pip]\ntarget = "t"\n')}, envs=("p/.venv",)),
    Row("pip-uv.toml-shadows", f"pip install {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv.pip]\ntarget = "t"\n'), "p/uv.toml": '[pip]\nprefix = "x"\n'}, envs=("p/.venv",)),
    Row("pip-parent-configuration", f"pip install {PACKAGE}", {"uv.toml": '[pip]\ntarget = "t"\n', **P}, envs=("p/.venv",)),
    Row("pip-unknown-key-ignores-table", f"pip install {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv]\nbogus = 1\n[tool.uv.pip]\ntarget = "t"\n')}, envs=("p/.venv",), unknown_before=ALWAYS),
    Row("pip-newer-key", f"pip install {PACKAGE}", {"p/pyproject.toml": project("p", '[tool.uv]\nadd-bounds = "exact"\n[tool.uv.pip]\ntarget = "t"\n')}, envs=("p/.venv",), unknown_before=(0, 8)),
    Row("pip-dry-run.addendum-13", f"pip install --dry-run {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-list.addendum-13", "pip list", P, envs=("p/.venv",)),
    Row("pip-uninstall", f"pip uninstall {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-dangling-venv.trap-9", f"pip install {PACKAGE}", {**P, "p/sub/x": ""}, envs=("p/.venv",), links={"p/sub/.venv": "{w}/nowhere"}, cwd="p/sub", fails=((0, 12), ALWAYS), unknown_before=ALWAYS),
    Row("pip-linked-venv", f"pip install {PACKAGE}", P, envs=("e",), links={"p/.venv": "{w}/e"}),
    Row("pip-broken-venv", f"pip install {PACKAGE}", {**P, "p/.venv/x": ""}, unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-venv-is-a-file", f"pip install {PACKAGE}", {**P, "p/sub/.venv": "x"}, envs=("p/.venv",), cwd="p/sub", until=(0, 13, 9)),
    Row("pip-venv-is-a-file-that-names-another", f"pip install {PACKAGE}", {**P, "p/sub/.venv": "../.venv"}, envs=("p/.venv",), cwd="p/sub", since=(0, 13, 9), unknown_before=ALWAYS),
    Row("pip-system.trap-7", f"pip install --system {PACKAGE}", P, envs=("p/.venv", "e"), variables={"PATH": "{w}/system/bin", "VIRTUAL_ENV": "{w}/e"}),
    Row("pip-UV_SYSTEM_PYTHON.trap-7", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"PATH": "{w}/system/bin", "UV_SYSTEM_PYTHON": "1"}),
    Row("pip-configured-system.trap-7", f"pip install {PACKAGE}", {"p/pyproject.toml": project("p", "[tool.uv.pip]\nsystem = true\n")}, envs=("p/.venv",), variables={"PATH": "{w}/system/bin"}),
    Row("pip-system-no-system.addendum-7", f"pip install --system --no-system {PACKAGE}", P, envs=("p/.venv",), variables={"PATH": "{w}/system/bin"}),
    Row("pip-no-system-system.addendum-7", f"pip install --no-system --system {PACKAGE}", P, envs=("p/.venv",), variables={"PATH": "{w}/system/bin"}),
    Row("pip-no-system-beats-configuration", f"pip install --no-system {PACKAGE}", {"p/pyproject.toml": project("p", "[tool.uv.pip]\nsystem = true\n")}, envs=("p/.venv",), variables={"PATH": "{w}/system/bin"}),
    Row("pip-no-system-and-UV_SYSTEM_PYTHON", f"pip install --no-system {PACKAGE}", P, envs=("p/.venv",), variables={"PATH": "{w}/system/bin", "UV_SYSTEM_PYTHON": "1"}, fails=ALWAYS_FAILS),
    Row("pip-system-environment-first-on-path", f"pip install --system {PACKAGE}", P, envs=("e",), variables={"PATH": "{w}/e/bin:{w}/system/bin"}, unknown_before=ALWAYS),
    Row("pip-system-with-conda-base.addendum-6", f"pip install --system {PACKAGE}", {**P, "c/conda-meta/x": ""}, envs=("c",), variables={"PATH": "{w}/system/bin", "CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "base"}, unknown_before=ALWAYS),
    Row("pip-system-and-python-directory", f"pip install --system -p ../e {PACKAGE}", P, envs=("p/.venv", "e"), variables={"PATH": "{w}/system/bin"}, unknown_before=ALWAYS, fails=NEVER_FAILS),
    Row("pip-python-of-the-system", f"pip install -p {{w}}/system/bin/python{MINOR} {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-python-link-to-the-system", f"pip install -p {{w}}/l {PACKAGE}", P, envs=("p/.venv",), links={"l": "{w}/system/bin/python" + MINOR}),
    Row("pip-python-system-prefix", f"pip install -p {{w}}/system {PACKAGE}", P, envs=("p/.venv",)),
    Row("pip-empty-UV_SYSTEM_PYTHON.trap-10", f"pip install {PACKAGE}", P, envs=("p/.venv",), variables={"UV_SYSTEM_PYTHON": ""}, unknown_before=ALWAYS, fails=ALWAYS_FAILS),
    Row("pip-only-managed", f"pip install --python-preference only-managed {PACKAGE}", P, envs=("p/.venv",), unknown_before=ALWAYS),
    Row("pip-only-managed-active", f"pip install --python-preference only-managed {PACKAGE}", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}),
    Row("pip-path-other-python-first", f"pip install {PACKAGE}", {"f/x": "", "bin/python3.99": ""}, envs=("e",), cwd="f", variables={"PATH": "{w}/bin:{w}/e/bin"}, unknown_before=ALWAYS, any_code=True),
    Row("pip-conda-base-and-nothing-else.addendum-6", f"pip install {PACKAGE}", {"f/x": "", "c/conda-meta/x": ""}, envs=("c",), cwd="f", variables={"CONDA_PREFIX": "{w}/c", "CONDA_DEFAULT_ENV": "base"}, unknown_before=ALWAYS, any_code=True),
    Row("pip-system-preference", f"pip install --python-preference system {PACKAGE}", P, envs=("p/.venv",)),
    # uv venv
    Row("venv", "venv", P),
    Row("venv-path", "venv ../x", P),
    Row("venv-below", "venv", {**P, "p/sub/x": ""}, cwd="p/sub", variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-UPE", "venv", P, variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-member", "venv", WS, cwd="p/packages/a", variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-project", "venv --project ../q", PQ),
    Row("venv-project-UPE", "venv --project ../q", PQ, variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-no-project", "venv --no-project", P, variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-UV_NO_PROJECT", "venv", P, variables={"UV_PROJECT_ENVIRONMENT": "u", "UV_NO_PROJECT": "1"}, changes=("newest",)),
    Row("venv-outside", "venv", {"e/x": ""}, cwd="e", variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-no-project-table.trap-25", "venv", {"p/pyproject.toml": "[tool.x]\n"}, variables={"UV_PROJECT_ENVIRONMENT": "u"}, changes=("0.9.30",)),
    Row("venv-unmanaged.trap-25", "venv", {"p/pyproject.toml": project("p", "[tool.uv]\nmanaged = false\n")}, variables={"UV_PROJECT_ENVIRONMENT": "u"}),
    Row("venv-ignores-VIRTUAL_ENV", "venv", P, variables={"VIRTUAL_ENV": "{w}/e"}),
    Row("venv-centralized", "venv --preview", P, leaves_nothing=True, changes=("newest",)),
    Row("venv-centralized-but-path", "venv --preview ../x", P),
    Row("venv-centralized-but-below", "venv --preview", {**P, "p/sub/x": ""}, cwd="p/sub"),
    # tools
    Row("tool-install", f"tool install {PACKAGE}", {"e/x": ""}, cwd="e"),
    Row("tool-install-name-forms", f"tool install {PACKAGE.upper()}==1.0", {"e/x": ""}, cwd="e"),
    Row("tool-install-at", f"tool install {PACKAGE}@latest", {"e/x": ""}, cwd="e"),
    Row("tool-install-from", f"tool install --from {PACKAGE}==1.0 {PACKAGE}", {"e/x": ""}, cwd="e"),
    Row("tool-install-UV_TOOL_DIR", f"tool install {PACKAGE}", P, variables={"UV_TOOL_DIR": "{w}/tools"}),
    Row("tool-install-UV_TOOL_DIR-relative.trap-19", f"tool install --directory ../q {PACKAGE}", PQ, variables={"UV_TOOL_DIR": "tools"}),
    Row("tool-install-UV_TOOL_DIR-empty.trap-10", f"tool install {PACKAGE}", P, variables={"UV_TOOL_DIR": ""}, unknown_before=(0, 7)),
    Row("tool-install-XDG", f"tool install {PACKAGE}", P, variables={"XDG_DATA_HOME": "{w}/data"}),
    Row("tool-install-XDG-relative", f"tool install {PACKAGE}", P, variables={"XDG_DATA_HOME": "data"}),
    Row("tool-install-wheel", f"tool install {{wheels}}/{PACKAGE}-1.0-py3-none-any.whl", {"e/x": ""}, cwd="e", above=True),
    Row("tool-install-name-of-a-file", f"tool install {PACKAGE}", {f"e/{PACKAGE}": ""}, cwd="e", above=True),
    Row("tool-install-ignores-VIRTUAL_ENV", f"tool install {PACKAGE}", P, envs=("e",), variables={"VIRTUAL_ENV": "{w}/e"}),
    Row("tool-upgrade-all-of-none", "tool upgrade --all", {"e/x": ""}, cwd="e"),
    Row("tool-list.addendum-13", "tool list", P),
)  # fmt: skip


class Outcome(NamedTuple):
    """What we said, and what uv did."""

    answer: Destination
    #: roots of environments (or target directories) that hold the package now, or pyvenv.cfg
    found: frozenset[str]
    cached: bool
    code: int
    stderr: str
    world: str


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheels")
    for name in (PACKAGE, SECOND):
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}/__init__.py", "def main() -> None: ...\n")
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(
                f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n"
            )
            record = "".join(f"{entry},,\n" for entry in archive.namelist())
            archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return directory


@pytest.fixture(scope="module")
def base_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_prefix(tmp_path_factory.mktemp("base") / "prefix")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, base_prefix: Path) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("worlds")
    assert not list(base_prefix.rglob(f"{PACKAGE}*")), "a row has installed into the shared Python"


@pytest.fixture(scope="module")
def caches(root: Path, wheels: Path, base_prefix: Path) -> Callable[[str], Path]:
    """A cache of each version that knows the interpreter: most of a row's time would be that."""
    return functools.cache(
        lambda version: _warm_cache(root / f"cache-{version}", version, wheels, base_prefix)
    )


def _rows() -> Iterator[object]:
    for row in ROWS:
        thresholds = (*row.fails, row.unknown_before, *map(real_uv.numbers, row.changes))
        for version, marks in real_uv.chosen(*thresholds, since=row.since, until=row.until):
            yield pytest.param(version, row, id=f"{row.id}-{version}", marks=marks)


@pytest.mark.parametrize(("version", "row"), list(_rows()))
def test_destination_is_where_uv_links(
    version: str,
    row: Row,
    root: Path,
    caches: Callable[[str], Path],
    wheels: Path,
    base_prefix: Path,
) -> None:
    real = _real_version(version)
    world = root / f"{version}-{ROWS.index(row)}"
    outcome = _try(row, version, world, wheels, base_prefix, caches(version))
    told = f"{outcome.answer}\nuv: {sorted(outcome.found)} cached={outcome.cached} {outcome.code}\n{outcome.stderr}"
    answer = outcome.answer

    refused = row.fails[0] <= real < row.fails[1]
    assert row.any_code or (outcome.code != 0) == refused, told
    if refused:
        assert not outcome.found, told
        return
    if answer.kind == "unknown":
        assert real < row.unknown_before or (PATCHED and "{w}/system" in f"{row}"), told
        return
    if row.kinds:
        assert answer.kind in row.kinds, told
    if answer.kind == "cache":
        assert outcome.cached or row.leaves_nothing, told
        assert not outcome.found, told
    elif answer.kind == "none":
        assert not outcome.found, told
        assert not outcome.cached, told
    else:
        found = {os.path.dirname(place) for place in outcome.found} if row.above else outcome.found
        assert found == {os.path.realpath(answer.path)}, told
        assert os.path.normpath(answer.path) == answer.path


@functools.cache
def _real_version(version: str) -> tuple[int, int, int]:
    output = subprocess.run(
        [real_uv.provide(version) / "uv", "--version"], check=True, capture_output=True, text=True
    )
    known = parse_version(output.stdout)
    assert known is not None
    return known


def _try(row: Row, version: str, world: Path, wheels: Path, base: Path, cache: Path) -> Outcome:
    world.mkdir()
    shutil.copytree(cache, world / "cache", symlinks=True)
    environ = _environment(world, wheels, base)

    def fill(text: str) -> str:
        return text.replace("{wheels}", str(wheels)).replace("{w}", str(world))

    if "{w}/system" in f"{row}":
        base = _make_prefix(world / "system")

    for name, text in row.files.items():
        path = world / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text() + text if path.exists() else text)
        path.chmod(0o755)
    for name in row.envs:
        _make_environment(world / name, base)
    for name, target in row.links.items():
        place = fill(target)
        if place.endswith("/"):
            os.makedirs(place)
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).symlink_to(place)
    for name, value in row.variables.items():
        environ[name] = fill(value)
    cwd = world / row.cwd
    words = [fill(word) for word in row.words.split()]
    if row.id.startswith("uvx-installed"):
        uv = str(real_uv.provide(version) / "uv")
        subprocess.run([uv, "tool", "install", "-q", PACKAGE], check=True, cwd=cwd, env=environ)
    before = _places(world)
    before_cached = _cached(world)
    answer = _answer(words, environ, str(cwd), version)
    run = subprocess.run(
        [real_uv.provide(version) / "uv", *words],
        cwd=cwd, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    found = _places(world, environments=row.only_made or words[0] == "venv") - before
    return Outcome(
        answer, found, _cached(world) != before_cached, run.returncode, run.stderr, str(world)
    )


def _answer(words: list[str], environ: dict[str, str], cwd: str, version: str) -> Destination:
    answer = _answer_for(words, environ, cwd, _real_version(version))
    unsure = _answer_for(words, environ, cwd, None)
    # Without a known version the answer is the same, or none.
    assert unsure in (answer, unsure.replace(kind="unknown")), (unsure, answer)
    return answer


def _answer_for(
    words: list[str], environ: dict[str, str], cwd: str, version: tuple[int, int, int] | None
) -> Destination:
    invocation = parse("uv", tuple(words))
    try:
        host = working_directory(
            Host(environ=environ, cwd=os.path.realpath(cwd)), invocation, version
        )
        settings = read_uv_settings(host, invocation, version)
        return find_destination(host, invocation, settings, version)
    except (Unreadable, ConfigError) as error:
        return Destination(kind="unknown", because=str(error))


def _environment(world: Path, wheels: Path, base: Path) -> dict[str, str]:
    home = world / "home"
    config = home / ".config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'offline = true\nno-index = true\nfind-links = ["{wheels}"]\n')
    return {
        "HOME": str(home),
        "PATH": f"{base}/bin:/usr/bin:/bin",
        "TMPDIR": str(world),
        "UV_CACHE_DIR": str(world / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CONFIG_DIRS": str(world / "nothing"),
    }


def _warm_cache(cache: Path, version: str, wheels: Path, base: Path) -> Path:
    """A cache that knows the interpreter already, which saves most of each row's time."""
    world = cache.with_suffix(".world")
    world.mkdir()
    environ = {**_environment(world, wheels, base), "UV_CACHE_DIR": str(cache)}
    uv = str(real_uv.provide(version) / "uv")
    subprocess.run(
        [uv, "venv", "-q", "-p", str(base / "bin" / "python3"), "e"],
        check=True,
        cwd=world,
        env=environ,
    )
    return cache


def _make_prefix(prefix: Path) -> Path:
    """A whole interpreter of our own that tests may install into."""
    library = prefix / "lib" / f"python{MINOR}"
    library.mkdir(parents=True)
    for entry in Path(os.__file__).parent.iterdir():
        if entry.name == "site-packages":
            (library / entry.name).mkdir()
        elif entry.name != "EXTERNALLY-MANAGED":
            (library / entry.name).symlink_to(entry)
    (prefix / "bin").mkdir()
    shutil.copy(PYTHON, prefix / "bin" / f"python{MINOR}")
    for name in ("python3", "python"):
        (prefix / "bin" / name).symlink_to(f"python{MINOR}")
    return prefix


def _make_environment(path: Path, base: Path) -> None:
    """What `uv venv` makes, without starting it."""
    (path / "bin").mkdir(parents=True, exist_ok=True)
    (path / "lib" / f"python{MINOR}" / "site-packages").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(base / "bin" / f"python{MINOR}")
    for name in ("python3", f"python{MINOR}"):
        (path / "bin" / name).symlink_to("python")
    version = ".".join(map(str, sys.version_info[:3]))
    (path / "pyvenv.cfg").write_text(
        f"home = {base}/bin\nimplementation = CPython\nversion_info = {version}\n"
        "include-system-site-packages = false\n"
    )


def _places(world: Path, *, environments: bool = False) -> frozenset[str]:
    """Directories outside of the cache that packages were linked into."""
    found = set()
    for directory, names, files in os.walk(world):
        if directory == str(world):
            names[:] = [name for name in names if name != "cache" and not name.startswith(".tmp")]
        if PACKAGE in names and os.path.exists(f"{directory}/{PACKAGE}/__init__.py"):
            found.add(_environment_of(directory))
        if environments and "pyvenv.cfg" in files:
            found.add(directory)
    return frozenset(found)


def _environment_of(site_packages: str) -> str:
    found = re.fullmatch(r"(.+?)(/local)?/lib/python[^/]+/(site|dist)-packages", site_packages)
    return found[1] if found else site_packages


def _cached(world: Path) -> frozenset[str]:
    """Environments in the cache that hold the package: not the unpacked wheel itself."""
    found = set()
    for directory, names, _ in os.walk(world / "cache"):
        if PACKAGE in names and directory.endswith("/site-packages"):
            found.add(directory)
    return frozenset(found)
