"""Whatever is broken around it, uv gets its own words and its own exit code.

Every test here starts the real shim with a stand-in for uv that says what it got and exits with 7.
Nothing of the user's may change, nothing may be printed on stdout, and on stderr there may be one
line of ours at most. How many there are is part of each claim: what uv itself complains about (its
own files) it shall complain about alone.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.filesystems import FileSystems
from tests.odd_files import bound_socket, fifo
from tests.shim.conftest import Installed
from uvx_policy import guard, trace
from uvx_policy.state import layout
from uvx_policy.state.forget import forget

#: of the stand-in; no Python, shell or shim of ours ever says it
CODE = 7
WORDS = ("sync", "--frozen")


class Scene:
    """A user's project and home, in order; a test puts something out of order."""

    def __init__(self, installed: Installed, base: Path, home: Path) -> None:
        self.installed = installed
        self.base = base
        self.home = home
        self.project = base / "project"
        self.project.mkdir()
        (self.project / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n')
        self.user = home / ".config" / "linkpolicy" / "config.toml"
        self.machine = base / "xdg" / "linkpolicy" / "config.toml"
        self.state = home / ".local" / "state" / "linkpolicy"
        for file in (self.user, self.machine):
            file.parent.mkdir(parents=True)
        # Where the home is no place for a cache, the machine's own disk must not get one.
        self.machine.write_text('[defaults]\ncache = "default"\n')
        #: changes to the environment variables; `None` takes one away
        self.environ: dict[str, str | None] = {
            "RECORD_EXIT": str(CODE),
            "XDG_CONFIG_DIRS": str(base / "xdg"),
        }
        self.words: tuple[str | bytes, ...] = WORDS
        #: for `subprocess.run`
        self.options: dict[str, Any] = {"cwd": self.project, "stdin": subprocess.DEVNULL}
        #: put before `uv`: the stand-in's parent does something first
        self.before: tuple[str, ...] = ()

    def full_environ(self) -> dict[str, str]:
        changed = {**self.installed.environ(), **self.environ}
        return {name: value for name, value in changed.items() if value is not None}

    def run(self) -> subprocess.CompletedProcess[bytes]:
        words = [*self.before, "uv", *self.words]
        return self.installed.run(
            os.fsdecode(words[0]), *words[1:], environ=self.full_environ(), **self.options
        )

    def check(self, *, lines: int | None = None) -> list[str]:
        """Run it and hold it to the promise; the lines of ours. `lines`: exactly so many."""
        before = snapshot(self.base, self.home, but=(self.installed.record, self.state))
        done = self.run()
        after = snapshot(self.base, self.home, but=(self.installed.record, self.state))

        told = done.stderr.decode("utf-8", "surrogateescape")
        assert done.returncode == CODE, told
        seen = self.installed.seen()
        assert seen.words == (b"uv", *map(os.fsencode, self.words))
        # Left by the shim when even our own code failed, which is the last resort.
        assert not [entry for entry in seen.environ if entry.startswith(b"_LINKPOLICY_TRIED=")]
        assert not [entry for entry in seen.environ if entry.startswith(b"UV_CACHE_DIR=")]
        assert done.stdout == b""
        assert "Traceback" not in told
        assert "internal error" not in told
        ours = told.splitlines(keepends=True)
        assert len(ours) <= 1
        assert lines in (None, len(ours)), told
        for line in ours:
            assert line.startswith("linkpolicy: ")
            assert line.endswith("\n")
            assert line[:-1].isprintable()
            assert len(line) < 4096
        assert after == before
        return ours


def snapshot(*roots: Path, but: tuple[Path, ...] = ()) -> dict[str, tuple[object, ...]]:
    """Everything below the directories: type, mode, owner, and what is in it."""
    found: dict[str, tuple[object, ...]] = {}
    to_see = [os.fsencode(root) for root in roots]
    skipped = {os.fsencode(path) for path in but}
    while to_see:
        path = to_see.pop()
        if path in skipped or not os.path.lexists(path):
            continue
        told = os.lstat(path)
        content: object = told.st_size
        if stat.S_ISLNK(told.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(told.st_mode):
            content = (told.st_size, told.st_mtime_ns)
        elif stat.S_ISDIR(told.st_mode):
            names = sorted(os.listdir(path))
            to_see += [os.path.join(path, name) for name in names]
            # The parents of the state directory may come into being, nothing else.
            content = [
                name
                for name in names
                if name != b".local" and os.path.join(path, name) not in skipped
            ]
        if not path.endswith((b"/.local", b"/.local/state")):
            found[os.fsdecode(path)] = (told.st_ino, told.st_mode, told.st_uid, content)
    return found


@pytest.fixture
def scene(installed: Installed, tmp_path: Path, isolation: Path) -> Scene:
    return Scene(installed, tmp_path, isolation)


def test_a_scene_in_order_is_under_policy(scene: Scene) -> None:
    """Else nothing below would prove anything."""
    scene.words = ("venv",)
    scene.environ["LINKPOLICY_LOG"] = "debug"

    done = scene.run()

    assert b"[destination-unknown]" not in done.stderr
    assert f"`{scene.project}/.venv`".encode() in done.stderr


# Files of settings -------------------------------------------------------------------------------

#: file -> lines of ours when it is broken. About uv's own files uv complains.
SETTINGS: tuple[tuple[str, Callable[[Scene], Path], int], ...] = (
    ("pyproject.toml", lambda scene: scene.project / "pyproject.toml", 0),
    ("linkpolicy.toml", lambda scene: scene.project / "linkpolicy.toml", 1),
    ("user config", lambda scene: scene.user, 1),
    ("machine config", lambda scene: scene.machine, 1),
    ("uv.toml", lambda scene: scene.project / "uv.toml", 0),
    ("user uv.toml", lambda scene: scene.home / ".config" / "uv" / "uv.toml", 0),
)
ONLY_NAMES = [pytest.param(path, lines, id=name) for name, path, lines in SETTINGS]

DEEP = 100_000
BROKEN: dict[str, bytes] = {
    "no TOML": b"[tool.linkpolicy\nhackable = true\n",
    "half a string": b'[tool.linkpolicy]\nlink-mode = "clo',
    "twice": b"[tool.linkpolicy]\n[tool.linkpolicy]\n",
    "not UTF-8": b'[project]\nname = "caf\xe9"\n',
    "UTF-16": '[project]\nname = "p"\n'.encode("utf-16"),
    "NUL": b"\0" * 4096,
    "conflict markers": b"<<<<<<< HEAD\n[project]\n=======\n>>>>>>> other\n",
    "deep arrays": b"x = " + b"[" * DEEP + b"]" * DEEP,
    "deep inline tables": b"x = " + b"{x = " * DEEP + b"1" + b"}" * DEEP,
    "deep and never closed": b"x = " + b"[" * DEEP,
    "an integer of 5000 digits": b"x = " + b"9" * 5000,
    "five megabytes": b"# " + b"x" * (5 << 20) + b"\n",
    "a control character": b'x = "\x1b]0;pwned\x07"\n',
}


@pytest.mark.parametrize(("path", "lines"), ONLY_NAMES)
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file(
    scene: Scene, path: Callable[[Scene], Path], lines: int, content: bytes
) -> None:
    file = path(scene)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)

    ours = scene.check(lines=lines)

    for line in ours:
        assert str(file) in line


#: nothing is wrong with these, and they are read whole
HARMLESS: dict[str, bytes] = {
    "empty": b"",
    "a byte order mark": b"\xef\xbb\xbf",
    "two megabytes": b"# x\n" * (1 << 19),
    "CRLF": b"# one\r\n# two\r\n",
}


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path, _ in SETTINGS])
@pytest.mark.parametrize("content", HARMLESS.values(), ids=HARMLESS)
def test_an_odd_file_that_is_right(
    scene: Scene, path: Callable[[Scene], Path], content: bytes
) -> None:
    file = path(scene)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)

    scene.check(lines=0)


def directory(path: Path) -> None:
    path.mkdir()


def endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere/at/all")


def looping_link(path: Path) -> None:
    path.symlink_to(path.name)


def link_into_a_file(path: Path) -> None:
    path.symlink_to("/etc/passwd/x")


def link_with_an_endless_name(path: Path) -> None:
    path.symlink_to("x" * 300)


#: what is no file -> is it unreadable (one line about a file of ours), or is there no file (none)
NO_FILES: tuple[tuple[Callable[[Path], None], bool], ...] = (
    (directory, True),
    (fifo, True),
    (bound_socket, True),
    (endless_device, True),
    (looping_link, True),
    (link_with_an_endless_name, True),
    (dangling_link, False),
    (link_into_a_file, False),
)


@pytest.mark.parametrize(("path", "lines"), ONLY_NAMES)
@pytest.mark.parametrize(
    ("make", "unreadable"), [pytest.param(*each, id=each[0].__name__) for each in NO_FILES]
)
def test_something_else_where_a_file_should_be(
    scene: Scene,
    path: Callable[[Scene], Path],
    lines: int,
    make: Callable[[Path], None],
    unreadable: bool,
) -> None:
    file = path(scene)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    make(file)

    scene.check(lines=lines if unreadable else 0)


# Wrong types -------------------------------------------------------------------------------------

VALUES = (
    "3", "-1", "1.5", "nan", "true", '""', '"x"', '"/a/b"', "[]", "[1]", '["x"]', "[[]]", "{}",
    "{x = 1}", "[{}]", "1979-05-27T07:32:00Z", "07:32:00", "9223372036854775808",
)  # fmt: skip
#: a third of the values in every run, which one depends on the key; the others when all are asked
THIRDS = [0, *(pytest.param(third, marks=pytest.mark.exhaustive) for third in (1, 2))]
OWN_KEYS = ("hackable", "link-mode", "cache", "fallback", "symlinked-venv")


OWN_TABLES = {
    "pyproject": ("project/pyproject.toml", "[tool.linkpolicy]\n"),
    "linkpolicy.toml": ("project/linkpolicy.toml", ""),
    "machine": ("xdg/linkpolicy/config.toml", "[defaults]\n"),
    "a rule": ("xdg/linkpolicy/config.toml", '[[rules]]\npath = "/nowhere/**"\n'),
}


@pytest.mark.parametrize("key", OWN_KEYS)
@pytest.mark.parametrize("where", OWN_TABLES)
def test_a_value_of_a_wrong_type_in_our_settings(scene: Scene, where: str, key: str) -> None:
    """Each value of each key in one of the tables, and in each table each value of some key."""
    file, table = OWN_TABLES[where]
    first = list(OWN_TABLES).index(where) + OWN_KEYS.index(key)
    for value in VALUES[first % len(OWN_TABLES) :: len(OWN_TABLES)]:
        if key == "hackable" and value == "true":
            continue
        (scene.base / file).write_text(f"{table}{key} = {value}\n")

        (line,) = scene.check(lines=1)

        assert f"{scene.base / file}:" in line
        assert key in line


@pytest.mark.parametrize(
    "key", ["defaults", "rules", "caches", "caches.'/'", "rules.path", "defaults.hackable.x"]
)
@pytest.mark.parametrize("third", THIRDS)
def test_a_wrong_shape_of_the_users_config(scene: Scene, key: str, third: int) -> None:
    right = 0
    for value in VALUES[(len(key) + third) % 3 :: 3]:
        scene.user.write_text(f"{key} = {value}\n")
        right += not scene.check()

    assert right <= 2  # "{}" may be an empty table, a path may be one


@pytest.mark.parametrize(
    "key",
    [
        "project", "project.name", "tool", "tool.uv", "tool.uv.workspace", "tool.uv.managed",
        "tool.uv.workspace.members", "tool.uv.workspace.exclude", "tool.uv.cache-dir",
        "tool.uv.link-mode", "tool.uv.no-cache", "tool.uv.offline", "tool.uv.package",
        "tool.uv.preview", "tool.uv.preview-features", "tool.uv.pip", "tool.uv.pip.target",
        "tool.uv.pip.python", "tool.uv.pip.system", "tool.uv.required-version", "tool.uv.sources",
    ],
)  # fmt: skip
@pytest.mark.parametrize("third", THIRDS)
def test_a_value_of_a_wrong_type_in_uvs_settings_is_for_uv_to_tell(
    scene: Scene, key: str, third: int
) -> None:
    for index, value in enumerate(VALUES[(len(key) + third) % 3 :: 3]):
        (scene.project / "pyproject.toml").write_text(f"{key} = {value}\n")
        scene.words = (WORDS, ("pip", "install", "x"), ("venv",), ("run", "x"))[index % 4]

        scene.check(lines=0)


@pytest.mark.parametrize("value", ["3", '"x"', "[]", "[{}]", "true"])
def test_our_table_is_no_table(scene: Scene, value: str) -> None:
    (scene.project / "pyproject.toml").write_text(
        f'[project]\nname = "p"\nversion = "1"\n[tool]\nlinkpolicy = {value}\n'
    )

    scene.check(lines=1)


def test_a_hostile_key_cannot_talk_to_the_terminal(scene: Scene) -> None:
    keys = [r"\u001b]0;pwned\u0007", r"\u009b2J", r"line\nbreak\r", r"\u202ertl\u2028", r"\u0000"]
    table = "".join(f'"{key}" = 1\n' for key in keys)
    (scene.project / "linkpolicy.toml").write_text(table)

    scene.check(lines=1)


def test_a_hostile_value_of_thousands_is_told_in_a_line_that_can_be_read(scene: Scene) -> None:
    (scene.project / "linkpolicy.toml").write_text(
        "".join(f'"{number:04}{"x" * 400}" = {number}\n' for number in range(4000))
    )

    scene.check(lines=1)


# The environment's directory ---------------------------------------------------------------------


def environments() -> Iterator[object]:
    """All, each of them in every run with one of the commands."""
    makes: tuple[Callable[[Path], None], ...] = (
        fifo, bound_socket, endless_device, looping_link, dangling_link, link_into_a_file,
        link_with_an_endless_name, Path.touch, directory,
    )  # fmt: skip
    commands = ("sync", "venv", "pip install x", "run x")
    for at, make in enumerate(makes):
        for depth, name in enumerate((".venv", ".venv/pyvenv.cfg", ".venv/lib")):
            for number, command in enumerate(commands):
                marks = () if (at + depth) % 4 == number else (pytest.mark.exhaustive,)
                which = f"{name}-{make.__name__}-{command}"
                yield pytest.param(make, tuple(command.split()), name, id=which, marks=marks)


@pytest.mark.parametrize(("make", "words", "name"), list(environments()))
def test_an_environment_that_is_none(
    scene: Scene, make: Callable[[Path], None], words: tuple[str, ...], name: str
) -> None:
    path = scene.project / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    scene.words = words

    scene.check(lines=0)


@pytest.mark.parametrize("make", [fifo, bound_socket, endless_device, looping_link, directory])
def test_a_script_that_is_no_file_is_not_read(scene: Scene, make: Callable[[Path], None]) -> None:
    """`uv run <(...)` hands over a FIFO: what we read of it, uv would miss."""
    make(scene.project / "script.py")
    for words in (
        ("run", "script.py"),
        ("run", "-s", "script.py"),
        ("sync", "--script", "script.py"),
    ):
        scene.words = words
        scene.check(lines=0)


def test_a_script_from_a_pipe_reaches_uv_unread(scene: Scene) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"# /// script\n# ///\n")
    os.close(writing)
    scene.options["pass_fds"] = (reading,)
    scene.words = ("run", f"/dev/fd/{reading}")

    scene.check(lines=0)

    assert os.read(reading, 100) == b"# /// script\n# ///\n"
    os.close(reading)


# Home and state ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "home",
    [
        pytest.param("{base}/missing", id="missing"),
        pytest.param("{base}/file", id="a file"),
        pytest.param("{base}/loop", id="a loop of links"),
        pytest.param("{base}/fifo", id="a FIFO"),
        pytest.param("relative", id="relative"),
        pytest.param(".", id="a dot"),
        pytest.param("{base}/line\nbreak", id="with a newline"),
        pytest.param("/dev/null", id="null device"),
        pytest.param("/proc/self/fd", id="in proc"),
        pytest.param("/" + "x" * 300, id="too long a name"),
        pytest.param("/x" * 3000, id="too long a path"),
        pytest.param("{base}/\udcff", id="not UTF-8"),
    ],
)
def test_a_home_that_is_none(scene: Scene, home: str) -> None:
    (scene.base / "file").touch()
    looping_link(scene.base / "loop")
    fifo(scene.base / "fifo")
    scene.environ["HOME"] = home.format(base=scene.base)

    scene.check(lines=0)


@pytest.mark.parametrize("home", [None, ""], ids=["unset", "empty"])
def test_no_home_at_all(scene: Scene, home: str | None) -> None:
    # Without HOME the passwd entry counts, and that is the developer's: keep away from it.
    for name in ("CONFIG", "STATE", "CACHE", "DATA"):
        scene.environ[f"XDG_{name}_HOME"] = str(scene.home / name)
    scene.state = scene.home / "STATE"
    scene.state.mkdir()
    scene.environ["HOME"] = home
    for words in (("venv",), ("sync",), ("pip", "install", "x"), ("tool", "install", "x")):
        scene.words = words

        scene.check(lines=0)


@pytest.mark.parametrize("name", ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"])
@pytest.mark.parametrize(
    "value", ["relative", "", ".", "..", "/dev/null", "/proc/nowhere", "/x" * 3000, "{base}/file"]
)
def test_odd_directories_of_the_user(scene: Scene, name: str, value: str) -> None:
    (scene.base / "file").touch()
    scene.environ[name] = value.format(base=scene.base)

    scene.check(lines=0)


@pytest.mark.parametrize("value", ["relative:also", "", ":::", "/dev/null:/proc", "/x" * 3000])
def test_odd_directories_of_the_machine(scene: Scene, value: str) -> None:
    scene.environ["XDG_CONFIG_DIRS"] = value

    scene.check(lines=0)


@pytest.mark.parametrize("below", ["", "remembered", "decisions", "environments"])
@pytest.mark.parametrize(
    "make", [Path.touch, fifo, looping_link, dangling_link, link_into_a_file, endless_device],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_something_else_where_the_state_directory_should_be(
    scene: Scene, make: Callable[[Path], None], below: str
) -> None:
    (scene.state if below else scene.state.parent).mkdir(parents=True)
    odd = scene.state / below if below else scene.state
    make(odd)
    scene.words = ("venv",)
    before = snapshot(odd)

    scene.check(lines=0)

    assert snapshot(odd) == before != {}


def test_a_missing_tmpdir(scene: Scene) -> None:
    scene.environ["TMPDIR"] = str(scene.base / "nowhere")
    scene.check(lines=0)


# The current directory ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak",
        "\udcff\udcfe",
        "\x1b[31mred",
        " ",
        "-",
        "*",
        "$HOME",
        "a:b",
        "x" * 255,
        "%3b;=",
    ],
)
def test_an_odd_name_of_the_current_directory(scene: Scene, name: str) -> None:
    odd = scene.base / name
    odd.mkdir()
    (odd / "linkpolicy.toml").write_text("nonsense = 1\n")
    (odd / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n')
    scene.options["cwd"] = odd

    scene.check(lines=1)


def test_a_current_directory_deeper_than_path_max(scene: Scene) -> None:
    # No shell does this: they keep the path of where they are.
    program = (
        "import os, sys\n"
        "for _ in range(25): os.mkdir('d' * 250); os.chdir('d' * 250)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    scene.before = (sys.executable, "-c", program)

    done = scene.run()

    assert (done.returncode, done.stdout, done.stderr) == (CODE, b"", b"")
    assert scene.installed.seen().words == (b"uv", *map(str.encode, WORDS))


@pytest.mark.parametrize("words", [("sync",), ("pip", "install", "x"), ("venv",), ("run", "x")])
def test_a_vanished_current_directory(scene: Scene, words: tuple[str, ...]) -> None:
    scene.words = words
    gone = scene.base / "gone"
    scene.before = ("/bin/sh", "-c", f'mkdir {gone}; cd {gone}; rmdir {gone}; exec "$@"', "sh")

    scene.check(lines=0)


def test_a_current_directory_whose_disk_was_taken_away(scene: Scene, fs: FileSystems) -> None:
    """`umount -l`: getcwd(2) fails, and relative paths work all the same."""
    disk = fs.tmpfs / "disk"
    shutil.copytree(scene.installed.shims, disk / "shims")
    # Not umount(8): where others mount at the same time, it may overlook it in the table.
    detach = 2
    script = (
        f"import ctypes, os, sys; os.chdir({str(disk)!r}); "
        f"assert not ctypes.CDLL(None).umount2({os.fsencode(fs.tmpfs.parent)!r}, {detach}); "
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    scene.before = ("unshare", "-m", sys.executable, "-c", script)
    scene.environ["PATH"] = f"shims:{scene.installed.real}:/usr/bin:/bin"

    scene.check(lines=0)


# PATH, words and variables -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/x" * 50_000, id="an entry of 100 kB"),
        pytest.param(":".join(["/nowhere"] * 10_000), id="10,000 entries"),
        pytest.param(":" * 3000, id="nothing but the current directory"),
        pytest.param("\udcff/\udcfe:caf\udce9", id="not UTF-8"),
        pytest.param("/dev/null:/proc/self/mem:{base}/loop", id="no directories"),
    ],
)
def test_an_odd_path(scene: Scene, path: str) -> None:
    looping_link(scene.base / "loop")
    odd = path.format(base=scene.base)
    scene.environ["PATH"] = f"{scene.installed.shims}:{odd}:{scene.installed.real}"

    scene.check(lines=0)


@pytest.mark.parametrize("make", [NO_FILES[index][0] for index in range(len(NO_FILES))])
def test_a_uv_on_path_that_is_no_file_is_passed_over(
    scene: Scene, make: Callable[[Path], None]
) -> None:
    odd = scene.base / "odd"
    odd.mkdir()
    make(odd / "uv")
    scene.environ["PATH"] = f"{scene.installed.shims}:{odd}:{scene.installed.real}"

    scene.check(lines=0)


def test_five_thousand_variables(scene: Scene) -> None:
    scene.environ |= {f"VARIABLE_{number}": str(number) for number in range(5000)}

    before = scene.full_environ()
    scene.run()

    seen = {entry.partition(b"=")[0] for entry in scene.installed.seen().environ}
    assert seen >= {name.encode() for name in before}


def test_words_up_to_the_limit_of_the_kernel(scene: Scene) -> None:
    """Where execve(2) would start uv, what the shim adds must not be too much."""

    def starts(program: str | Path, size: int) -> bool:
        # One word may not have more than 128 KiB.
        words = ["x" * 1000] * (size // 1000) + ["x" * (size % 1000)]
        try:
            done = scene.installed.run(
                program, "pip", "install", "--target", "there", *words,
                environ=scene.full_environ(), cwd=scene.base,
                # A quarter of the stack's limit is for words and variables (execve(2)).
                preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY)
                ),
            )  # fmt: skip
        except OSError:
            return False
        # Of the shim, of uv, or of `env` that looks for the interpreter.
        assert not done.stderr or done.stderr.endswith(b": Argument list too long\n")
        assert done.returncode == (126 if done.stderr else CODE)
        return not done.stderr

    def largest(program: str | Path) -> int:
        fits, too_much = 1 << 17, 1 << 18
        while too_much - fits > 1:
            size = (fits + too_much) // 2
            fits, too_much = (size, too_much) if starts(program, size) else (fits, size)
        return fits

    # Its long path makes up for what the kernel adds when it starts the shim: the interpreter.
    real = scene.installed.real / ("d" * 250) / "uv"
    real.parent.mkdir()
    (scene.installed.real / "uv").rename(real)
    scene.environ["PATH"] = str(real.parent)
    assert largest("shims/uv") >= largest(real)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200),
        st.lists(
            st.sampled_from(
                ["1", "process=", "words=", "turn=", "tried=", "set=", "%", "%3b", "=", ";", "0",
                 "9", "²", "HOME", "PATH", "UV_CACHE_DIR", "\udcff", "\n"]
            ),
            max_size=30,
        ).map(lambda parts: "1;" + "".join(parts)),
    )
)  # fmt: skip
@example("1;turn=" + "9" * 5000)
@example("1;" + ";" * 100_000)
@example("1;tried=" + "x" * 100_000)
def test_garbage_in_our_own_variable(scene: Scene, value: str) -> None:
    scene.environ[guard.NAME] = value

    scene.check(lines=0)


# Limits and streams ------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", range(5, 20))
def test_few_file_descriptors(scene: Scene, limit: int) -> None:
    scene.words = ("venv",)
    scene.options["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    done = scene.run()

    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (CODE, b""), told
    assert len(told.splitlines()) <= 1
    assert "Traceback" not in told


def test_no_file_may_grow(scene: Scene) -> None:
    """RLIMIT_FSIZE: a write sends SIGXFSZ, which would end the shim before uv had started."""
    scene.words = ("venv",)
    record = scene.installed.record
    scene.environ["RECORD_TO"] = None
    scene.options["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = scene.run()

    assert (done.returncode, done.stdout, done.stderr) == (CODE, b"", b"")
    assert not record.exists()


@pytest.fixture
def warned(scene: Scene) -> Scene:
    """A scene that the shim has to say something about."""
    (scene.project / "linkpolicy.toml").write_text("nonsense = 1\n")
    return scene


def test_a_warning_for_a_pipe_that_nobody_reads_stops_nothing(warned: Scene) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = warned.installed.run(
        "uv", *WORDS, environ=warned.full_environ(), cwd=warned.project,
        capture_output=False, stdout=subprocess.PIPE, stderr=writing,
    )  # fmt: skip
    os.close(writing)

    assert (done.returncode, done.stdout) == (CODE, b"")


def test_a_warning_for_a_full_pipe_that_does_not_block_stops_nothing(warned: Scene) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass

    done = warned.installed.run(
        "uv", *WORDS, environ=warned.full_environ(), cwd=warned.project,
        capture_output=False, stdout=subprocess.PIPE, stderr=writing,
    )  # fmt: skip
    os.close(reading)
    os.close(writing)

    assert (done.returncode, done.stdout) == (CODE, b"")


def test_a_warning_with_letters_that_the_locale_lacks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")

    trace.warn("unknown key `schlüssel`")

    assert capfd.readouterr().err == "linkpolicy: unknown key `schl\\xfcssel`\n"


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_warning_that_nobody_can_hear_stops_nothing_and_goes_nowhere_else(
    warned: Scene, redirection: str
) -> None:
    warned.before = ("/bin/sh", "-c", f'exec "$@" {redirection}', "sh")

    warned.check(lines=0)


def test_debugging_talks_on_stderr_only(scene: Scene) -> None:
    for words in (
        ("venv",),
        ("sync",),
        ("--version",),
        ("nonsense",),
        ("run", "x"),
        ("pip", "list"),
    ):
        scene.words = words
        scene.environ |= {"LINKPOLICY_LOG": "debug", "RECORD_VERSION": "1"}

        done = scene.run()

        lines = done.stderr.decode().splitlines()
        assert lines
        assert all(line.startswith("linkpolicy: ") for line in lines)
        assert done.stdout in (b"", b"uv 0.13.8 (stand-in)\n")
        assert done.returncode == CODE


@pytest.mark.parametrize("value", ["", "1", "DEBUG", "\udcff", "debug\n", "x" * 5000])
def test_odd_values_of_our_own_variables(scene: Scene, value: str) -> None:
    scene.environ |= {"LINKPOLICY_BYPASS": value}
    scene.check(lines=0)
    if value != "DEBUG":
        scene.environ |= {"LINKPOLICY_LOG": value}
        scene.check(lines=0)


# The mount table ---------------------------------------------------------------------------------


def in_private_mounts(scene: Scene, script: str) -> None:
    """Run a shell script in mounts that nobody else sees, before uv and with its pid."""
    scene.before = ("unshare", "-m", "/bin/sh", "-ec", f'{script}\nexec "$@"', "sh")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("\0" * 100, id="NUL bytes"),
        pytest.param("36 35 98:0 / / rw", id="half a row"),
        pytest.param("a b c d e f - g h i\n", id="no numbers"),
        pytest.param("36 35 98:0 / \\999 rw - ext4 /dev/x rw\n", id="no octal number"),
        pytest.param("1 1 8:1 / / rw - ext4 /dev/x rw\n" * 20_000, id="20,000 equal rows"),
        pytest.param("1 2 8:1 / / rw - ext4 x rw\n2 1 8:1 / / rw - ext4 x rw\n", id="a loop"),
    ],
)
@pytest.mark.usefixtures("mounted")
def test_a_mount_table_that_tells_nothing(scene: Scene, content: str) -> None:
    (scene.base / "table").write_text(content)
    in_private_mounts(scene, f"mount --bind {scene.base / 'table'} /proc/$$/mountinfo")
    scene.machine.unlink()
    for words in (("venv",), ("pip", "install", "--target", "/dev/shm/nowhere", "x")):
        scene.words = words

        scene.check(lines=0)


@pytest.mark.parametrize("hidden", ["/proc/$$/mountinfo", "/proc/$$/fdinfo", "/proc/sys", "/proc"])
@pytest.mark.usefixtures("mounted")
def test_a_proc_that_tells_nothing(scene: Scene, hidden: str) -> None:
    (scene.base / "empty").touch()
    how = f"--bind {scene.base / 'empty'}" if hidden.endswith("mountinfo") else "-t tmpfs none"
    in_private_mounts(scene, f"mount {how} {hidden}")
    scene.words = ("venv",)

    scene.check(lines=0)


@pytest.mark.usefixtures("mounted")
def test_a_full_disk_under_the_state_directory(scene: Scene) -> None:
    state = scene.base / "state"
    state.mkdir()
    in_private_mounts(
        scene,
        f"mount -t tmpfs -o size=16k none {state}; cat /dev/zero >{state}/full 2>/dev/null || true",
    )
    scene.environ["XDG_STATE_HOME"] = str(state)
    scene.words = ("venv",)

    scene.check(lines=0)


@pytest.mark.usefixtures("mounted")
def test_a_state_directory_that_is_read_only(scene: Scene) -> None:
    scene.state.mkdir(parents=True)
    in_private_mounts(
        scene, f"mount --bind {scene.home} {scene.home}; mount -o remount,bind,ro {scene.home}"
    )
    scene.words = ("venv",)

    scene.check(lines=0)

    assert list(scene.state.iterdir()) == []


# What we remember --------------------------------------------------------------------------------


class Remembering:
    """A scene on ext4 whose state directory remembers, wrongly, that clones work there."""

    def __init__(self, scene: Scene, disk: Path) -> None:
        self.scene = scene
        scene.home = disk / "home"
        scene.state = scene.home / ".local" / "state" / "linkpolicy"
        scene.home.mkdir()
        scene.project = disk / "work" / "project"
        scene.project.mkdir(parents=True)
        scene.environ["HOME"] = str(scene.home)
        scene.options["cwd"] = scene.project
        scene.words = ("venv",)
        assert self.link_mode() == b"hardlink"
        (self.links,) = self.directory.glob("links-*")
        self.honest = self.links.read_bytes()
        assert b"clone=no" in self.honest
        self.lie = self.honest.replace(b"clone=no", b"clone=yes")
        self.links.write_bytes(self.lie)

    @property
    def directory(self) -> Path:
        return self.scene.state / layout.FACTS.directory

    def link_mode(self) -> bytes:
        forget(str(self.scene.state / layout.DECISIONS.directory))
        done = self.scene.run()
        assert (done.returncode, done.stdout, done.stderr) == (CODE, b"", b"")
        variables = dict(
            entry.split(b"=", 1) for entry in self.scene.installed.seen().environ if b"=" in entry
        )
        return variables.get(b"UV_LINK_MODE", b"")


@pytest.fixture
def remembering(scene: Scene, fs: FileSystems) -> Remembering:
    return Remembering(scene, fs.ext4)


def test_what_is_remembered_counts(remembering: Remembering) -> None:
    """Else the tests below would prove nothing."""
    assert remembering.link_mode() == b"clone"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o755])
def test_a_memory_that_others_can_reach_is_not_believed(
    remembering: Remembering, mode: int
) -> None:
    remembering.directory.chmod(mode)

    assert remembering.link_mode() == b"hardlink"
    assert stat.S_IMODE(remembering.directory.stat().st_mode) == mode
    assert remembering.links.read_bytes() == remembering.lie


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o644])
def test_a_remembered_file_that_others_can_reach_is_not_believed(
    remembering: Remembering, mode: int
) -> None:
    remembering.links.chmod(mode)

    assert remembering.link_mode() == b"hardlink"


@pytest.mark.parametrize("which", ["directory", "links"])
def test_another_users_memory_is_not_believed(remembering: Remembering, which: str) -> None:
    os.chown(getattr(remembering, which), 12345, 12345)

    assert remembering.link_mode() == b"hardlink"


def test_a_link_in_the_memory_is_not_followed(remembering: Remembering) -> None:
    elsewhere = remembering.scene.home / "elsewhere"
    remembering.links.rename(elsewhere)
    remembering.links.symlink_to(elsewhere)

    assert remembering.link_mode() == b"hardlink"
    assert elsewhere.read_bytes() == remembering.lie


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_garbage_in_remembered_files(remembering: Remembering, data: st.DataObject) -> None:
    honest = remembering.honest
    garbage = st.one_of(
        st.binary(max_size=300),
        st.integers(0, len(honest) - 1).map(lambda size: honest[:size]),
        st.binary(min_size=1, max_size=50).map(lambda more: honest + more),
        st.just(honest.replace(b"clone=no", b"clone=perhaps")),
        st.just(b"\0" * 100_000),
    )
    for file in remembering.directory.iterdir():
        file.write_bytes(data.draw(garbage))

    assert remembering.link_mode() == b"hardlink"


@pytest.mark.parametrize("make", [fifo, looping_link, directory, endless_device, bound_socket])
def test_something_else_where_a_remembered_file_should_be(
    remembering: Remembering, make: Callable[[Path], None]
) -> None:
    for file in list(remembering.directory.iterdir()):
        file.unlink()
        make(file)

    assert remembering.link_mode() == b"hardlink"


# The real uv -------------------------------------------------------------------------------------


def answers(scene: Scene, version: str) -> Path:
    """Let uv answer `--version` by this shell code, to a question that has to be asked.

    Gives the file that is there when it was.
    """
    scene.state.mkdir(parents=True, mode=0o700)
    asked = scene.state / "asked"
    scene.environ["RECORD_ANSWER"] = f"touch {asked}; {version}"
    scene.environ["UV_WORKING_DIRECTORY"] = str(scene.base)  # unknown before uv 0.9.1
    return asked


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("exit 3", id="fails"),
        pytest.param("kill -9 $$", id="is killed"),
        pytest.param("kill -STOP $PPID; sleep 0.02; kill -CONT $PPID", id="stops us for a moment"),
        pytest.param("true", id="says nothing"),
        pytest.param("head -c 100000 /dev/urandom", id="says noise"),
        pytest.param("head -c 20000000 /dev/zero", id="says 20 MB"),
        pytest.param("echo uv", id="says half"),
        pytest.param("echo uv 1", id="says one number"),
        pytest.param("echo uv x.y.z", id="says no numbers"),
        pytest.param(f"echo uv 1.{'9' * 5000}.0", id="says a number of 5000 digits"),
        pytest.param("echo uv ٣.٣.٣", id="says other digits"),
        pytest.param("echo uv 99999.0.0", id="says a far future"),
        pytest.param("echo uv 0.0.1", id="says a far past"),
        pytest.param("echo pip 24.0", id="is another program"),
        pytest.param("echo oops >&2; exit 101", id="panics"),
        pytest.param("cat", id="reads stdin"),
        pytest.param("echo uv 0.13.8; exec >&- 2>&-; sleep 1", id="lingers"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ("venv",),
        pytest.param(("run", "x.py"), marks=pytest.mark.exhaustive),
        pytest.param(("pip", "install", "x"), marks=pytest.mark.exhaustive),
    ],
)
def test_a_uv_that_does_not_tell_its_version(
    scene: Scene, version: str, words: tuple[str, ...]
) -> None:
    asked = answers(scene, version)
    scene.words = words

    scene.check(lines=0)

    assert asked.exists()


def test_an_empty_file_is_a_script_that_does_nothing(scene: Scene) -> None:
    """As in a shell: execvp(3) hands to /bin/sh what the kernel does not know."""
    (scene.installed.real / "uv").unlink()
    (scene.installed.real / "uv").touch(mode=0o755)

    done = scene.run()

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x7fELF" + b"\0" * 60, id="half an ELF file"),
        pytest.param(b"#!/nowhere/sh\n", id="no interpreter"),
        pytest.param(b"#!" + b"/" * 5000, id="an endless interpreter"),
        pytest.param(b"#!\n", id="an empty interpreter"),
    ],
)
def test_a_uv_that_the_kernel_refuses_is_told_in_one_line(scene: Scene, content: bytes) -> None:
    uv = scene.installed.real / "uv"
    uv.unlink()
    uv.write_bytes(content)
    uv.chmod(0o755)
    for words in (("sync",), ("--version",)):
        scene.words = words

        done = scene.run()

        assert done.returncode in (126, 127, 0)
        assert done.stdout == b""
        assert b"Traceback" not in done.stderr


def test_a_uv_that_is_replaced_while_it_runs(scene: Scene) -> None:
    """The version was asked of another file than the one that starts: both work, so do we."""
    other = scene.base / "other"
    shutil.copy2(scene.installed.real / "uv", other)
    asked = answers(scene, f"mv {other} {scene.installed.real}/uv; echo uv 0.5.23")
    scene.words = ("venv",)

    done = scene.run()

    assert asked.exists()
    assert not other.exists()
    assert (done.returncode, done.stderr) == (CODE, b"")
    assert scene.installed.seen().words == (b"uv", b"venv")


# Many at once, and killed ------------------------------------------------------------------------


def test_killed_at_any_moment_nothing_is_left_half_done(scene: Scene) -> None:
    scene.words = ("venv",)
    before = snapshot(scene.base, scene.home, but=(scene.installed.record, scene.state))
    for step in range(25):
        with subprocess.Popen(
            ["uv", "venv"], env=scene.full_environ(), cwd=scene.project, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(step * 0.003)
            process.send_signal(signal.SIGKILL)
    scene.installed.record.unlink(missing_ok=True)

    assert snapshot(scene.base, scene.home, but=(scene.installed.record, scene.state)) == before
    scene.check(lines=0)
