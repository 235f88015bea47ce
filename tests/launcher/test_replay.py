"""A record that holds is replayed exactly; everything else goes to Python as it came."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher.conftest import EDITS, Scene, guard_of, without_guard
from tests.ordinary_user import UID, only_root
from uvx_policy import guard
from uvx_policy.edits import Edits
from uvx_policy.replay.witness import look
from uvx_policy.state import layout

WORDS = ("venv", "--python", "3.12", "here")


def test_a_record_that_holds_is_replayed(scene: Scene) -> None:
    scene.environ |= {"UV_CACHE_DIR": "/before", "ODD": "\udcff\n"}
    scene.record("uv", *WORDS)

    seen = scene.outcome("uv", *WORDS)

    assert not seen.handed_over
    assert seen.words == (b"uv", *map(os.fsencode, WORDS), b"/behind the link")
    # As setenv(3) would have it: what was there keeps its place.
    expected = [f"{name}={value}" for name, value in (scene.environ | EDITS.variables).items()]
    assert without_guard(seen.environ) == [os.fsencode(entry) for entry in expected]
    left = guard_of(seen)
    assert left is not None
    assert left.process.startswith(f"{seen.pid}.")
    assert (left.turn, left.depth, left.uv) == (0, 0, "")
    assert left.tried == (str(scene.uv),)
    assert left.values == tuple(EDITS.variables.items())
    assert seen.environ[-1] == os.fsencode(f"{guard.NAME}={guard.render(left)}")


def test_the_identity_in_the_guard_is_pythons(scene: Scene) -> None:
    """A shim that is entered by exec must know its own process again."""
    (scene.uv).unlink()
    say = "import os; from uvx_policy import guard; print(os.environ[guard.NAME]); "
    say += "print(guard.process_identity())"
    scene.uv.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{say}'\n")
    scene.uv.chmod(0o755)

    told, own = scene.run("uv", "--version").stdout.decode().splitlines()

    left = guard.read({guard.NAME: told})
    assert left is not None
    assert left.process == own


def test_a_record_without_edits_is_replayed(scene: Scene) -> None:
    scene.record("uv", *WORDS, edits=Edits())

    seen = scene.outcome("uv", *WORDS)

    assert not seen.handed_over
    assert seen.words == (b"uv", *map(os.fsencode, WORDS))


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        (("run", "pytest"), ("run", "pytest", "-k", "anything", "--", "x")),
        (("run", "pytest"), ("run", "ruff", "check")),
        (("add", "requests"), ("add", "httpx", "--quiet")),
        (("sync",), ("-v", "sync", "--extra", "dev", "--locked")),
    ],
)
def test_words_that_do_not_matter_cause_no_miss(
    scene: Scene, recorded: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    scene.record("uv", *recorded)

    assert not scene.outcome("uv", *asked).handed_over


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        (("run", "pytest"), ("run", "pytest.py")),
        (("sync",), ("sync", "--python", "3.12")),
        (("sync",), ("sync", "--directory", "x")),
        (("sync",), ("--project=x", "sync")),
        (("sync",), ("sync", "-n")),
        (("sync",), ("pip", "sync")),
        (("venv", "a"), ("venv", "b")),
        (("sync",), ("sync", "--no-such-option")),
    ],
)
def test_words_that_matter_cause_one(
    scene: Scene, recorded: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    scene.record("uv", *recorded)

    assert scene.outcome("uv", *asked).handed_over


@pytest.mark.parametrize("name", ["HOME", "PATH", "UV_CACHE_DIR", "VIRTUAL_ENV", "XDG_CONFIG_HOME"])
def test_a_variable_that_matters_causes_a_miss(scene: Scene, name: str) -> None:
    state = scene.base / "state"
    scene.environ["XDG_STATE_HOME"] = str(state)
    scene.record("uv", *WORDS)
    assert not scene.outcome("uv", *WORDS).handed_over
    scene.environ[name] = scene.environ.get(name, "") + ":/more"

    assert scene.outcome("uv", *WORDS).handed_over


def test_another_directory_is_a_miss(scene: Scene) -> None:
    scene.record("uv", *WORDS)

    assert scene.outcome("uv", *WORDS, cwd=scene.base).handed_over


def test_another_uv_first_on_path_is_a_miss(scene: Scene) -> None:
    scene.record("uv", *WORDS)
    found = scene.outcome("uv", *WORDS)
    os.link(scene.uv, scene.cwd / "uv")
    scene.environ["PATH"] = f"{scene.shims}:{scene.cwd}:{scene.real}"

    assert not found.handed_over
    assert scene.outcome("uv", *WORDS).handed_over


def test_what_is_handed_over_is_as_it_came(scene: Scene) -> None:
    """Words, variables, order, entries that are no variables, and no guard of our making."""
    entries = scene.entries()
    entries += [
        b"UV_CACHE_DIR=\xff",
        b"NO_EQUALS",
        b"TWICE=1",
        b"TWICE=2",
        b"=",
        b"_LINKPOLICY_X=1",
    ]
    words = (b"sync", b"--\xff", b"", b"a b")

    seen = scene.raw_outcome([b"odd name", *words], entries)

    assert seen.handed_over
    assert seen.words == (b"odd name", *words)
    assert list(seen.environ) == entries


def test_uvx_becomes_uv_tool_uvx_where_there_is_no_uvx(scene: Scene) -> None:
    scene.record("uvx", "ruff")

    seen = scene.outcome("uvx", "ruff", "check", b"\xff")

    assert seen.words == (b"uv", b"tool", b"uvx", b"ruff", b"check", b"\xff", b"/behind the link")


def test_uvx_becomes_the_real_uvx(scene: Scene) -> None:
    os.link(scene.uv, scene.real / "uvx")

    seen = scene.outcome("uvx", "help")

    assert seen.words == (b"uvx", b"help")
    left = guard_of(seen)
    assert left is not None
    assert left.tried == (str(scene.real / "uvx"),)


@pytest.mark.parametrize("words", [(), ("--version",), ("-h",), ("help", "sync"), ("--help",)])
@pytest.mark.parametrize("program", ["uv", "uvx"])
def test_quick_words_go_straight_to_uv(scene: Scene, program: str, words: tuple[str, ...]) -> None:
    done = scene.run(program, *words)

    assert (done.returncode, done.stderr) == (0, b"")
    seen = scene.seen()
    assert not seen.handed_over
    assert seen.words[-len(words) :] == tuple(map(os.fsencode, words)) or not words
    assert without_guard(seen.environ) == scene.entries()
    assert guard_of(seen) is not None


def test_the_bypass_goes_straight_to_uv(scene: Scene) -> None:
    scene.record("uv", *WORDS)
    scene.environ["LINKPOLICY_BYPASS"] = "1"

    seen = scene.outcome("uv", *WORDS)

    assert not seen.handed_over
    assert seen.words == (b"uv", *map(os.fsencode, WORDS))


def test_a_story_is_pythons_to_tell(scene: Scene) -> None:
    scene.record("uv", *WORDS)
    scene.environ["LINKPOLICY_LOG"] = "debug"
    assert scene.outcome("uv", *WORDS).handed_over
    assert scene.outcome("uv", "help").handed_over
    scene.environ["LINKPOLICY_LOG"] = ""
    assert not scene.outcome("uv", *WORDS).handed_over


def test_our_old_answers_are_dropped_and_what_was_changed_since_stays(scene: Scene) -> None:
    scene.record("uv", *WORDS)
    outer = guard.Guard(process="1.1", values=(("UV_CACHE_DIR", "/a;%"), ("NEW", "1")))
    scene.environ |= {guard.NAME: guard.render(outer), "UV_CACHE_DIR": "/a;%"}
    assert not scene.outcome("uv", *WORDS).handed_over

    scene.environ["UV_CACHE_DIR"] = "/b"
    assert scene.outcome("uv", *WORDS).handed_over


def test_one_of_our_variables_twice_goes_to_python(scene: Scene) -> None:
    outer = guard.Guard(process="1.1", values=(("A", "1"),))
    entries = [*scene.entries(), os.fsencode(f"{guard.NAME}={guard.render(outer)}")]

    assert not scene.raw_outcome([b"uv", b"--version"], [*entries, b"A=1"]).handed_over
    assert scene.raw_outcome([b"uv", b"--version"], [*entries, b"A=1", b"A=2"]).handed_over


# Records that are not to be believed --------------------------------------------------------------


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Something else where the record was."""

    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def a_link_to_it(path: Path) -> None:
    elsewhere = path.parent.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(Path.unlink, id="absent"),
        pytest.param(a_link_to_it, id="a symbolic link"),
        pytest.param(instead(lambda path: os.mkfifo(path, 0o600)), id="a FIFO"),
        pytest.param(instead(lambda path: path.mkdir(0o700)), id="a directory"),
        pytest.param(instead(lambda path: os.mknod(path, 0o140600)), id="a socket"),
        pytest.param(lambda path: path.chmod(0o604), id="readable to all"),
        pytest.param(lambda path: path.chmod(0o620), id="writable to the group"),
        pytest.param(lambda path: os.chown(path, UID, UID), id="somebody else's", marks=only_root),
        pytest.param(lambda path: path.parent.chmod(0o755), id="in a directory for all"),
        pytest.param(
            lambda path: os.chown(path.parent, UID, UID),
            id="in another's directory",
            marks=only_root,
        ),
        pytest.param(lambda path: a_link_to_it(path.parent), id="behind a symbolic link"),
        pytest.param(rewritten(lambda _: b""), id="empty"),
        pytest.param(
            rewritten(lambda text: text[:-2] + b"w" + b"x" * layout.DECISIONS.longest + b"\0.\0"),
            id="too long",
        ),
        pytest.param(rewritten(lambda text: text + b"x"), id="more behind the end"),
        pytest.param(rewritten(lambda text: text + b"\0"), id="one NUL more"),
        pytest.param(
            rewritten(lambda text: text.replace(b"decision-v1", b"decision-v2")),
            id="another version",
        ),
        pytest.param(
            rewritten(lambda text: text.replace(b"3.12", b"3.13")),
            id="another key of the same length",
        ),
        pytest.param(
            rewritten(lambda text: text.replace(b"\0k", b"\0k0", 1)),
            id="another way to write the key's length",
        ),
    ],
)
def test_a_record_that_is_not_ours_whole_and_alone_is_not_believed(
    scene: Scene, spoil: Callable[[Path], object]
) -> None:
    path = scene.record("uv", *WORDS)
    assert not scene.outcome("uv", *WORDS).handed_over
    spoil(path)

    assert scene.outcome("uv", *WORDS).handed_over


def test_a_record_as_long_as_may_be_is_believed(scene: Scene) -> None:
    path = scene.record("uv", *WORDS)
    more = layout.DECISIONS.longest - path.stat().st_size
    witness = b"wa4=y /" + b"." * 50 + b"\0"
    count = more // len(witness) - 1
    rest = b"wa4=y /" + b"/" * (more - count * len(witness) - 8) + b"\0"
    path.write_bytes(path.read_bytes()[:-2] + witness.replace(b".", b"/") * count + rest + b".\0")
    assert path.stat().st_size == layout.DECISIONS.longest

    assert not scene.outcome("uv", *WORDS).handed_over


def test_a_torn_record_is_not_believed_wherever_it_ends(scene: Scene) -> None:
    path = scene.record("uv", *WORDS)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])

        assert scene.outcome("uv", *WORDS).handed_over, length


@pytest.mark.parametrize(
    "field",
    [
        b"", b"x", b"..", b"eA=1\0eA=2", b"e_LINKPOLICY_ACTIVE=1", b"eNEW=2",
        b"e", b"e=", b"e=x", b"eNAME", b"w", b"w=", b"ws", b"ws=", b"ws=-",
        b"ws=- ", b"ws1=- /nowhere", b"wq=- /nowhere", b"w=- /nowhere", b"wa=y /", b"wa8=y /",
        b"wax=y /", b"wa-1=y /", b"wa10000000000000000=y /", b"wn0=- /nowhere", b"wf=y /",
        b"wfg=y /", b"wf10000000000000000=y /", b"wc=- /nowhere", b"ws=! /nowhere",
        b"wd=- /nowhere", b"wd=- /etc/passwd", b"wd1=0:0:0 /", b"wd=0:0 /", b"wd=0:0:0: /",
        b"ws =- /nowhere", b"wS=- /nowhere", b"W", b"ws=- /nowhere\0.",
    ],
)  # fmt: skip
def test_a_field_that_python_would_not_write_is_not_believed(scene: Scene, field: bytes) -> None:
    path = scene.record("uv", *WORDS)
    content = path.read_bytes()
    path.write_bytes(content[:-2] + field + b"\0.\0")

    assert scene.outcome("uv", *WORDS).handed_over


def test_more_than_an_answer_ever_has_is_not_believed(scene: Scene) -> None:
    for count, believed in ((62, True), (63, False)):  # one more is the word of EDITS
        path = scene.record("uv", *WORDS)
        content = path.read_bytes()
        path.write_bytes(content[:-2] + b"ax\0" * count + b".\0")

        assert scene.outcome("uv", *WORDS).handed_over is not believed


def test_a_variable_that_is_there_twice_is_left_to_python(scene: Scene) -> None:
    scene.record("uv", *WORDS, edits=Edits(variables={"NEW": "1"}))
    words = [b"uv", *map(os.fsencode, WORDS)]

    assert not scene.raw_outcome(words, [*scene.entries(), b"NEW=2"]).handed_over
    assert scene.raw_outcome(words, [*scene.entries(), b"NEW=2", b"NEW=3"]).handed_over


@pytest.mark.parametrize(
    ("variables", "believed"),
    [
        pytest.param({"XDG_STATE_HOME": "relative"}, True, id="relative XDG_STATE_HOME"),
        pytest.param({"XDG_STATE_HOME": ""}, True, id="empty XDG_STATE_HOME"),
        pytest.param({"XDG_STATE_HOME": "{base}//"}, True, id="slashes at the end"),
        pytest.param({"XDG_STATE_HOME": "{base}/a\\b"}, False, id="backslash"),
        pytest.param({"HOME": "{base}/home///"}, True, id="HOME with slashes at the end"),
        pytest.param({"HOME": "relative", "XDG_STATE_HOME": "{base}"}, True, id="HOME not needed"),
    ],
)
def test_where_records_are_looked_for(
    scene: Scene, variables: dict[str, str], believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scene.cwd)
    scene.environ |= {name: value.format(base=scene.base) for name, value in variables.items()}
    scene.record("uv", *WORDS)

    assert scene.outcome("uv", *WORDS).handed_over is not believed


@pytest.mark.parametrize("value", [None, "", "relative"])
def test_without_home_nothing_is_looked_for(scene: Scene, value: str | None) -> None:
    scene.record("uv", *WORDS)
    del scene.environ["HOME"]
    if value is not None:
        scene.environ["HOME"] = value

    assert scene.outcome("uv", *WORDS).handed_over


# Witnesses ----------------------------------------------------------------------------------------


def change_content(path: Path) -> None:
    path.write_text("longer than before")


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def replace(path: Path) -> None:
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize(
    ("token", "make", "change"),
    [
        ("s", lambda p: p.write_text("x"), change_content),
        ("s", lambda p: p.write_text("x"), touch),
        ("s", lambda p: p.write_text("x"), replace),
        ("s", lambda p: p.write_text("x"), lambda p: p.chmod(0o600)),
        pytest.param(
            "s", lambda p: p.write_text("x"), lambda p: os.chown(p, 1, -1), marks=only_root
        ),
        ("s", lambda p: p.write_text("x"), lambda p: p.unlink()),
        ("s", lambda _: None, lambda p: p.write_text("x")),
        ("s", lambda p: p.mkdir(), lambda p: p.rmdir()),
        ("s", lambda p: p.mkdir(), lambda p: p.chmod(0o700)),
        ("s", lambda p: p.symlink_to("nowhere"), lambda p: (p.parent / "nowhere").touch()),
        ("l", lambda p: p.symlink_to("nowhere"), lambda p: p.unlink()),
        ("l", lambda p: p.symlink_to("nowhere"), lambda p: (p.unlink(), p.symlink_to("elsewhere"))),
        ("l", lambda _: None, lambda p: p.symlink_to("nowhere")),
        ("l", lambda p: os.mkfifo(p), lambda p: p.unlink()),
        ("r", lambda p: p.symlink_to("nowhere"), lambda p: (p.unlink(), p.symlink_to("nowherE"))),
        ("r", lambda _: None, lambda p: p.symlink_to("nowhere")),
        ("n", lambda p: p.mkdir(), lambda p: (p / "new").touch()),
        ("n", lambda p: (p.mkdir(), (p / "a").touch()), lambda p: (p / "a").rename(p / "b")),
        ("n", lambda _: None, lambda p: p.mkdir()),
        ("c", lambda p: p.write_text("x"), lambda p: p.write_text("y")),
        ("c", lambda p: p.write_text("x" * 100_000), lambda p: p.write_text("x" * 100_001)),
        ("c", lambda p: p.write_text(""), lambda p: p.unlink()),
        ("a1", lambda p: p.touch(0o755), lambda p: p.chmod(0o644)),
        ("a4", lambda _: None, lambda p: p.touch()),
        ("v", lambda _: None, lambda p: p.touch()),
        ("f0", lambda _: None, lambda p: p.touch()),
    ],
)
def test_a_witness_that_sees_something_else_causes_a_miss(
    scene: Scene, token: str, make: Callable[[Path], object], change: Callable[[Path], object]
) -> None:
    path = scene.base / "watched"
    make(path)
    scene.record("uv", *WORDS, witnesses=[(token, path)])
    assert not scene.outcome("uv", *WORDS).handed_over
    change(path)

    assert scene.outcome("uv", *WORDS).handed_over


def test_what_comes_and_goes_in_a_directory_changes_no_status(scene: Scene) -> None:
    path = scene.base / "watched"
    path.mkdir()
    scene.record("uv", *WORDS, witnesses=[("s", path), ("l", path)])
    (path / "new").touch()

    assert not scene.outcome("uv", *WORDS).handed_over


@pytest.mark.parametrize(
    "path",
    ["/dev/zero", "/dev/full", "/dev/tty", "/proc/self/mem", "/proc/kmsg", "/", "{base}/fifo"],
)
def test_a_content_that_never_ends_or_never_comes_hangs_nobody(scene: Scene, path: str) -> None:
    os.mkfifo(scene.base / "fifo")
    recorded = scene.record("uv", *WORDS)
    field = f"wc=1:1 {path}\0".format(base=scene.base).encode()
    recorded.write_bytes(recorded.read_bytes()[:-2] + field + b".\0")

    assert scene.outcome("uv", *WORDS).handed_over


def test_every_witness_that_python_makes_holds(scene: Scene) -> None:
    """Of every kind, on everything that a machine has."""
    odd = scene.base / "odd"
    odd.mkdir()
    (odd / "file").write_bytes(b"\xff" * 1000)
    (odd / "a name = with = equals").mkdir(0o1777)
    (odd / "setuid").touch(0o4755)
    if os.geteuid() == 0:
        os.chown(odd / "setuid", 2**31, 2**32 - 2)
    os.utime(odd / "file", ns=(-1, -(10**18)))
    (odd / "link").symlink_to("x" * 4000)
    (odd / "loop").symlink_to("loop")
    os.mkfifo(odd / "fifo")
    with open(odd / "sparse", "wb") as stream:
        stream.truncate(2**42)
    many = odd / "many"
    many.mkdir()
    for index in range(3000):
        (many / f"a rather long name, so that more than one call is needed {index}").touch()
    found = [odd, many, *odd.iterdir(), *map(Path, ("/", "/dev/null", "/dev", "/proc", "/sys"))]
    found += [odd / "file" / "below", odd / "nowhere", Path("relative"), Path("/dev/shm")]
    tokens = ("s", "l", "r", "n", "v", "a0", "a1", "a2", "a4", "a7", "f0", "f1000", "f" + "f" * 16)
    contents = ("/proc/self/mountinfo", "/proc/sys/kernel/random/boot_id", str(odd / "file"))
    witnesses = [
        (token, str(path))
        for path in found
        for token in (*tokens, "d")
        # Processes and their terminals come and go meanwhile.
        if look(token, str(path)) != "!"
        and (token, str(path)) not in (("n", "/proc"), ("n", "/dev"))
    ]
    assert len(witnesses) > 200

    witnesses += [("c", path) for path in contents]

    for token in {token for token, _ in witnesses}:
        scene.record("uv", *WORDS, witnesses=[pair for pair in witnesses if pair[0] == token])
        assert not scene.outcome("uv", *WORDS).handed_over, token

    scene.record("uv", *WORDS, witnesses=witnesses)
    assert not scene.outcome("uv", *WORDS).handed_over


# Signals and streams ------------------------------------------------------------------------------


@pytest.mark.parametrize("hit", [True, False], ids=["hit", "handed over"])
@pytest.mark.parametrize(
    ("ignored", "told"),
    [((), None), ((13,), b"13"), ((25,), b"25"), ((13, 25), b"13,25"), ((1, 2), None)],
)
def test_ignored_signals_stay_so_and_python_is_told(
    scene: Scene, hit: bool, ignored: tuple[int, ...], told: bytes | None
) -> None:
    assert (signal.SIGPIPE, signal.SIGXFSZ) == (13, 25)
    if hit:
        scene.record("uv", *WORDS)

    def prepare() -> None:
        for number in (1, 2, 3, 13, 25):  # nohup, and a shell's job in the background
            signal.signal(number, signal.SIG_DFL)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    seen = scene.outcome("uv", *WORDS, preexec_fn=prepare, restore_signals=False)

    assert seen.handed_over is not hit
    lines = [line for line in seen.rest if line.startswith("ignored")]
    assert lines == [f"ignored {number}" for number in ignored]
    assert seen.variables().get(b"_LINKPOLICY_IGNORED") == (None if hit else told)


def test_an_old_note_about_signals_is_not_passed_on(scene: Scene) -> None:
    scene.environ["_LINKPOLICY_IGNORED"] = "13"

    def prepare() -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    seen = scene.outcome("uv", "sync", preexec_fn=prepare)

    assert seen.handed_over
    assert b"_LINKPOLICY_IGNORED" not in seen.variables()


@pytest.mark.parametrize("limit", [4, 5])
def test_few_file_descriptors_stop_nothing(scene: Scene, limit: int) -> None:
    import resource

    scene.record("uv", *WORDS, witnesses=[("n", scene.base), ("c", "/proc/self/mountinfo")])

    done = scene.run(
        "uv", *WORDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    # Two are needed at once: the directory's and the record's.
    assert scene.seen().handed_over is (limit == 4)
