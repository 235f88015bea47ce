"""Where each program makes its environments: its options, variables, settings, and defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvx_policy.machine.clients import PROJECT, Place, client_of, where_installs

#: program, its words, variables, files of the project or the home, and the place
TOLD = [
    ("tox", "", {}, {"tox.ini": "[tox]\n"}, "P/.tox"),
    ("tox", "", {}, {"tox.ini": "[tox]\ntoxworkdir = {toxinidir}/../work\n"}, "work"),
    ("tox", "", {}, {"tox.ini": "[tox]\nwork_dir = {env:SOMETHING}\n"}, ""),
    ("tox", "", {}, {"tox.toml": 'work_dir = "w"\n'}, "P/w"),
    ("tox", "", {}, {"pyproject.toml": '[tool.tox]\nwork_dir = "w"\n'}, "P/w"),
    ("tox", "", {"TOX_WORK_DIR": "T/x"}, {"tox.toml": 'work_dir = "w"\n'}, "x"),
    ("tox", "run --workdir=T/o", {"TOX_WORK_DIR": "T/x"}, {}, "o"),
    ("nox", "", {}, {"noxfile.py": "import nox\n"}, "P/.nox"),
    ("nox", "", {}, {"noxfile.py": "nox.options.envdir = '.cache/nox'\n"}, "P/.cache/nox"),
    ("nox", "", {}, {"noxfile.py": "# nox.options.envdir = 'x'\n"}, "P/.nox"),
    ("nox", "-s test --envdir T/n", {}, {}, "n"),
    ("hatch", "", {}, {}, "H/.local/share/hatch/env/virtual"),
    ("hatch", "", {"XDG_DATA_HOME": "T/d"}, {}, "d/hatch/env/virtual"),
    ("hatch", "", {"HATCH_DATA_DIR": "T/d"}, {}, "d/env/virtual"),
    ("hatch", "", {}, {"~.config/hatch/config.toml": '[dirs]\ndata = "~/x"\n'}, "H/x/env/virtual"),
    (
        "hatch", "", {},
        {"~.config/hatch/config.toml": '[dirs.env]\nvirtual = ".hatch"\n', "hatch.toml": "#\n"},
        "P/.hatch",
    ),
    (
        "hatch", "", {"HATCH_CONFIG": "T/c.toml"},
        {"../c.toml": '[dirs]\ndata = "T/x"\n'}, "x/env/virtual",
    ),
    ("hatch", "run x", {}, {"hatch.toml": "[envs.default]\npath = '.venv'\n"}, "P/.venv"),
    ("hatch", "run x", {}, {"pyproject.toml": "[tool.hatch.envs.default]\npath = 'v'\n"}, "P/v"),
    ("hatch", "run a:x", {}, {"hatch.toml": "[envs.a]\npath = 'a'\n"}, "P/a"),
    ("hatch", "-e a run x", {}, {"hatch.toml": "[envs.a]\npath = 'a'\n"}, "P/a"),
    ("hatch", "", {"HATCH_ENV": "a"}, {"hatch.toml": "[envs.a]\npath = 'a'\n"}, "P/a"),
    (
        "hatch", "run a:x", {},
        {"hatch.toml": "[envs.a]\ntemplate = 'b'\n[envs.b]\npath = 'T/b'\n"}, "b",
    ),
    (
        "hatch", "run a:x", {}, {"hatch.toml": "[envs.a]\n[envs.default]\npath = 'v'\n"}, "P/v",
    ),
    (
        "hatch", "run a:x", {}, {"hatch.toml": "[envs.a]\ntemplate = 'a'\n"},
        "H/.local/share/hatch/env/virtual",
    ),
    (
        "hatch", "test", {}, {"hatch.toml": "[envs.default]\npath = 'v'\n"},
        "H/.local/share/hatch/env/virtual",
    ),
    ("hatch", "test", {}, {"hatch.toml": "[envs.hatch-test]\npath = 't'\n"}, "P/t"),
    (
        "hatch", "", {"HATCH_ENV_TYPE_VIRTUAL_PATH": "T/v"},
        {"hatch.toml": "[envs.default]\npath = '.venv'\n"}, "v",
    ),
    ("pdm", "sync", {}, {"pyproject.toml": "#\n"}, "P/.venv"),
    ("pdm", "sync", {"VIRTUAL_ENV": "T/v"}, {}, "v"),
    ("pdm", "sync", {"VIRTUAL_ENV": "T/v", "PDM_IGNORE_ACTIVE_VENV": "1"}, {}, "P/.venv"),
    ("pdm", "sync", {"PDM_VENV_IN_PROJECT": "0"}, {}, "H/.local/share/pdm/venvs"),
    ("pdm", "", {}, {"pdm.toml": "[venv]\nin_project = false\nlocation = '~/v'\n"}, "H/v"),
    ("pdm", "", {}, {".pdm-python": "T/e/bin/python\n", "../e/pyvenv.cfg": ""}, "e"),
    ("pdm", "", {}, {".pdm-python": "/usr/bin/python3\n", "pyproject.toml": "#\n"}, "P/.venv"),
    ("pipx", "install x", {}, {}, "H/.local/share/pipx/venvs"),
    ("pipx", "install x", {}, {"~.local/pipx/x": ""}, "H/.local/pipx/venvs"),
    ("pipx", "install x", {"PIPX_HOME": "T/p"}, {}, "p/venvs"),
    ("pipx", "run x", {}, {}, "H/.cache/pipx"),
    ("pipx", "run x", {"PIPX_HOME": "T/p"}, {}, "p/.cache"),
    ("pre-commit", "run", {}, {}, "H/.cache/pre-commit"),
    ("pre-commit", "run", {"XDG_CACHE_HOME": "T/c"}, {}, "c/pre-commit"),
    ("pre-commit", "run", {"PRE_COMMIT_HOME": "T/c"}, {}, "c"),
    ("prek", "run", {"PREK_HOME": "T/c"}, {}, "c"),
    ("build", "", {"TMPDIR": "T"}, {}, "."),
    ("pyproject-build", "", {"TMPDIR": "T/absent", "TMP": "T"}, {}, "."),
    ("cibuildwheel", "", {"TMPDIR": "T"}, {}, "."),
    ("juv", "venv", {}, {}, ""),
    ("poe", "test", {}, {}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("client", "words", "variables", "files", "place"), TOLD)
def test_a_program_says_where_it_installs(
    tmp_path: Path,
    client: str,
    words: str,
    variables: dict[str, str],
    files: dict[str, str],
    place: str,
) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    for directory in (home, project):
        directory.mkdir()

    def at(text: str) -> str:
        return text.replace("T/", f"{tmp_path}/") if text != "T" else str(tmp_path)

    for name, text in files.items():
        path = home / name[1:] if name.startswith("~") else project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(at(text))
    environ = {"HOME": str(home), **{name: at(value) for name, value in variables.items()}}

    told = where_installs(client, environ=environ, cwd=str(project), words=at(words).split())

    expected = place.replace("H/", "home/").replace("P/", "project/")
    assert told == (Place(str(tmp_path / expected)) if place else PROJECT)


def test_juv_runs_in_the_cache() -> None:
    assert where_installs("juv", environ={}, cwd="/", words=["run", "a.ipynb"]).is_cache


@pytest.mark.parametrize(
    ("line", "client", "words"),
    [
        ("tox -e py", "tox", "-e py"),
        ("/x/bin/nox", "nox", ""),
        ("python3.12 -m nox -l", "nox", "-l"),
        ("uvx nox -l", "nox", "-l"),
        ("uvx hatch@latest env", "hatch", "env"),
        ("uvx nox[uv]", "nox", ""),
        ("uv tool run tox", "tox", ""),
        ("uvx --from nox nox", "", ""),
        ("python script.py", "python", "script.py"),
        ("python -m", "", ""),
        ("uv sync", "uv", "sync"),
    ],
)
def test_a_command_line_is_about_a_program(line: str, client: str, words: str) -> None:
    name, behind = client_of(line.split())

    assert (name, [*behind]) == (client, words.split())
