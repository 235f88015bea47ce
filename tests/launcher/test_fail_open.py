"""No fault of ours stops uv: what happens when Python, its shim or uv itself is gone."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher.conftest import Scene, guard_of, without_guard
from tests.shim.conftest import in_terminal
from uvx_policy import guard

WORDS = ("sync", "--frozen", "x")


def gone(scene: Scene) -> None:
    scene.fallback.unlink()


def without_interpreter(scene: Scene) -> None:
    scene.fallback.write_text("#!/nowhere/python -IS\n")


def without_permission(scene: Scene) -> None:
    scene.fallback.chmod(0o644)


def whole_directory_gone(scene: Scene) -> None:
    shutil.rmtree(scene.fallback.parent)


@pytest.fixture(params=[gone, without_interpreter, without_permission, whole_directory_gone])
def broken(request: pytest.FixtureRequest, scene: Scene) -> Scene:
    """A launcher whose Python shim cannot be started."""
    how: Callable[[Scene], None] = request.param
    how(scene)
    return scene


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_without_python_uv_runs_without_policy(broken: Scene) -> None:
    seen = broken.outcome("uv", *WORDS)

    assert not seen.handed_over
    assert seen.words == (b"uv", *map(os.fsencode, WORDS))
    assert without_guard(seen.environ) == broken.entries()
    left = guard_of(seen)
    assert left is not None
    assert left.tried == (str(broken.uv),)
    assert left.values == ()


def test_half_a_record_adds_nothing(broken: Scene) -> None:
    path = broken.record("uv", *WORDS)
    path.write_bytes(path.read_bytes()[:-2])

    seen = broken.outcome("uv", *WORDS)

    assert seen.words == (b"uv", *map(os.fsencode, WORDS))
    assert without_guard(seen.environ) == broken.entries()


def test_a_record_is_replayed_without_python(broken: Scene) -> None:
    broken.record("uv", *WORDS)

    assert broken.outcome("uv", *WORDS).words[-1] == b"/behind the link"


def test_without_python_our_old_answers_are_dropped_all_the_same(broken: Scene) -> None:
    outer = guard.Guard(process="1.1", values=(("UV_CACHE_DIR", "/c"),))
    broken.environ |= {guard.NAME: guard.render(outer), "UV_CACHE_DIR": "/c"}

    assert b"UV_CACHE_DIR" not in broken.outcome("uv", *WORDS).variables()


def test_who_asks_for_a_story_hears_that_there_is_no_python(broken: Scene) -> None:
    broken.environ["LINKPOLICY_LOG"] = "debug"

    done = broken.run("uv", *WORDS)

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"linkpolicy: cannot run `")
    assert done.stderr.count(b"\n") == 1
    assert not broken.seen().handed_over


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_a_terminal_is_told_once(broken: Scene) -> None:
    state = broken.home / ".local/state/linkpolicy"
    uv = broken.shims / "uv"
    line = ["/bin/sh", "-c", f"{uv} sync; {uv} sync 2>/dev/null; {uv} sync"]
    assert in_terminal(line, broken.environ) == b""  # nowhere to note it
    state.mkdir(parents=True)
    assert broken.run("uv", "sync").stderr == b""
    assert not list(state.iterdir())

    said = [in_terminal(line, broken.environ) for _ in range(2)]

    for each in said:
        assert each.startswith(b"linkpolicy: cannot run `%b`: " % os.fsencode(broken.fallback))
        assert each.count(b"\n") == 1
        assert b"linkpolicy setup" in each
    assert len(list((state / "told").iterdir())) == 2
    assert {path.stat().st_size for path in (state / "told").iterdir()} == {0}


def test_without_python_and_without_uv_one_line_says_so(broken: Scene) -> None:
    broken.uv.unlink()

    for words in (WORDS, ("--version",), ()):
        done = broken.run("uv", *words)

        assert (done.returncode, done.stdout) == (127, b"")
        assert done.stderr.startswith(b"linkpolicy: no uv on PATH but this shim")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("descriptor", ["2>&-", "2>/dev/full", "2>&- >&- <&-"])
def test_nobody_need_hear_it(broken: Scene, descriptor: str) -> None:
    broken.uv.unlink()
    command = ["/bin/sh", "-c", f'"$@" {descriptor}', "sh", str(broken.shims / "uv"), "sync"]

    done = subprocess.run(command, env=broken.environ, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (127, b"", b"")


def test_a_pipe_that_nobody_reads_changes_no_exit_code(broken: Scene) -> None:
    broken.uv.unlink()
    reading, writing = os.pipe()
    os.close(reading)

    done = broken.run("uv", "sync", capture_output=False, stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)

    assert done.returncode == 127


def test_a_uv_that_may_not_be_executed_is_none(broken: Scene) -> None:
    broken.uv.chmod(0o644)

    assert broken.run("uv", *WORDS).returncode == 127


def test_a_uv_that_the_kernel_refuses_is_126(broken: Scene) -> None:
    script(broken.uv, "#!/nowhere/sh\n")

    done = broken.run("uv", *WORDS)

    assert (done.returncode, done.stdout) == (126, b"")
    assert done.stderr == b"linkpolicy: cannot execute `%b`\n" % os.fsencode(broken.uv)


def test_what_the_kernel_refuses_is_first_handed_to_python(scene: Scene) -> None:
    script(scene.uv, "#!/nowhere/sh\n")

    for words in (WORDS, ("--version",)):
        done = scene.run("uv", *words)
        assert done.returncode == 0
        assert scene.seen().handed_over


def test_a_strange_path_cannot_move_the_cursor(broken: Scene) -> None:
    strange = broken.base / "\033[2J"
    script(strange / "uv", "#!/nowhere/sh\n")
    broken.environ["PATH"] = str(strange)

    assert b"\033" not in broken.run("uv", *WORDS).stderr


def test_a_script_without_interpreter_line_runs_as_in_a_shell(scene: Scene) -> None:
    script(scene.uv, 'echo "script $0 $*"; exit 5\n')

    done = scene.run("uv", "help", "me")

    assert (done.returncode, done.stdout) == (5, b"script %b help me\n" % os.fsencode(scene.uv))


# Recursion ----------------------------------------------------------------------------------------

#: what pyenv and asdf do when they have no uv of their own: the next one on PATH
NEXT_ON_PATH = """#!/bin/sh
IFS=:
for directory in $PATH; do
  if [ "$directory" != "{own}" ] && [ -x "$directory/uv" ]; then
    {start} "$directory/uv" "$@"
    exit $?
  fi
done
exit 1
"""


def behind_a_foreign_shim(scene: Scene, start: str, *then: Path) -> None:
    own = scene.base / "foreign"
    script(own / "uv", NEXT_ON_PATH.format(own=own, start=start))
    scene.environ["PATH"] = ":".join(map(str, [scene.shims, own, *then, "/usr/bin", "/bin"]))


@pytest.mark.parametrize("start", ["exec", "command"])
@pytest.mark.parametrize("words", [WORDS, ("help",)])
def test_what_came_straight_back_is_pythons(
    scene: Scene, start: str, words: tuple[str, ...]
) -> None:
    behind_a_foreign_shim(scene, start, scene.real)

    seen = scene.outcome("uv", *words)

    # The first call of a command that links nothing meets the foreign shim itself.
    left = guard_of(seen)
    assert seen.handed_over
    if words == ("help",):
        assert left is not None
        assert left.tried == (str(scene.base / "foreign" / "uv"),)


@pytest.mark.parametrize("start", ["exec", "command"])
@pytest.mark.parametrize("words", [WORDS, ("help",)])
def test_without_python_the_next_uv_is_taken(
    broken: Scene, start: str, words: tuple[str, ...]
) -> None:
    behind_a_foreign_shim(broken, start, broken.real)

    seen = broken.outcome("uv", *words)

    left = guard_of(seen)
    assert left is not None
    assert left.tried == (str(broken.base / "foreign" / "uv"), str(broken.uv))


@pytest.mark.parametrize("start", ["exec", "command"])
def test_without_python_and_another_uv_recursion_ends_with_126(broken: Scene, start: str) -> None:
    behind_a_foreign_shim(broken, start)

    done = broken.run("uv", *WORDS)

    assert (done.returncode, done.stdout) == (126, b"")
    assert b"starts this shim again" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("how", ["symbolic link", "hard link", "copy", "the Python shim"])
def test_ourselves_under_another_name_is_skipped(scene: Scene, how: str) -> None:
    other = scene.base / "other" / "uv"
    other.parent.mkdir()
    if how == "symbolic link":
        other.symlink_to(scene.shims / "uv")
    elif how == "hard link":
        os.link(scene.shims / "uv", other)
    elif how == "copy":
        shutil.copy2(scene.shims / "uv", other)
    else:
        script(other, "#!/bin/sh\n# linkpolicy-shim-v1: starts the real uv\nexit 9\n")
    scene.environ["PATH"] = f"{other.parent}:{scene.environ['PATH']}"

    assert scene.outcome("uv", "help").words == (b"uv", b"help")


# Finding uv ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{shims}:real", True),
        ("{shims}:real/", True),
        ("{shims}:./real//", True),
        ("/nowhere:{shims}/uv:{real}", True),
        ("x" * 5000 + ":{real}", True),
        ("{shims}::", False),
        ("{shims}", False),
        ("", False),
        (":" * 10_000 + "{real}", True),
    ],
)
def test_odd_path_entries(scene: Scene, path: str, found: bool) -> None:
    scene.environ["PATH"] = path.format(shims=scene.shims, real=scene.real)

    seen = scene.outcome("uv", "help", cwd=scene.base)

    assert seen.handed_over is not found


def test_an_empty_entry_is_the_cwd(scene: Scene) -> None:
    for path in (f"{scene.shims}:", f":{scene.shims}", f"{scene.shims}::/nowhere"):
        scene.environ["PATH"] = path

        seen = scene.outcome("uv", "help", cwd=scene.real)

        left = guard_of(seen)
        assert left is not None
        assert left.tried == ("./uv",)


def test_a_directory_a_fifo_and_a_data_file_are_no_uv(scene: Scene) -> None:
    found = []
    for index, make in enumerate((Path.mkdir, os.mkfifo, Path.touch)):
        directory = scene.base / f"odd{index}"
        directory.mkdir()
        make(directory / "uv")  # type: ignore[operator]
        if make is not Path.touch:
            (directory / "uv").chmod(0o755)
        found.append(str(directory))
    scene.environ["PATH"] = ":".join([*found, str(scene.real)])

    assert not scene.outcome("uv", "help").handed_over


def test_for_uvx_each_directory_after_path_is_searched_for_both(scene: Scene) -> None:
    first, second = scene.base / "first", scene.base / "second"
    for path in (first / "uv", second / "uvx"):
        path.parent.mkdir()
        shutil.copy(scene.uv, path)
    scene.configure("uvx", first, second)
    scene.environ["PATH"] = str(scene.shims)

    assert scene.outcome("uvx", "help").words == (b"uv", b"tool", b"uvx", b"help")

    (first / "uv").unlink()
    assert scene.outcome("uvx", "help").words == (b"uvx", b"help")


def test_embedded_uvs_come_last(scene: Scene) -> None:
    first, second = scene.base / "first", scene.base / "second"
    for directory in (first, second):
        directory.mkdir()
        os.link(scene.uv, directory / "uv")
    (first / "uv").chmod(0o755)
    scene.configure("uv", "/nowhere", first, second)
    seen = scene.outcome("uv", "help")
    scene.uv.unlink()
    then = scene.outcome("uv", "help")
    (first / "uv").unlink()
    last = scene.outcome("uv", "help")

    tried = [left.tried for left in map(guard_of, (seen, then, last)) if left]
    assert tried == [(str(scene.uv),), (str(first / "uv"),), (str(second / "uv"),)]


def test_uvx_is_searched_on_all_of_path_before_uv(scene: Scene) -> None:
    embedded, late = scene.base / "embedded", scene.base / "late"
    for directory in (embedded, late):
        directory.mkdir()
        os.link(scene.uv, directory / "uvx")
    scene.configure("uvx", embedded)
    scene.environ["PATH"] += f":{late}"
    seen = [scene.outcome("uvx", "help")]
    (late / "uvx").unlink()
    seen.append(scene.outcome("uvx", "help"))
    scene.uv.unlink()
    seen.append(scene.outcome("uvx", "help"))

    tried = [left.tried for left in map(guard_of, seen) if left]
    assert tried == [(str(late / "uvx"),), (str(scene.uv),), (str(embedded / "uvx"),)]


def test_without_path_the_usual_directories_count(scene: Scene) -> None:
    del scene.environ["PATH"]
    expected = not (os.path.exists("/bin/uv") or os.path.exists("/usr/bin/uv"))

    assert scene.outcome("uv", "help").handed_over is expected


# Limits -------------------------------------------------------------------------------------------


def test_where_only_uvs_own_words_fit_nothing_of_ours_is_added(scene: Scene) -> None:
    """E2BIG: the kernel takes a quarter of the stack's limit for words and variables together."""
    scene.record("uv", "run", "x")

    def run(size: int) -> str:
        words = ("run", "x", "y" * 100_000, "z" * size)
        try:
            done = scene.run(
                "uv", *words,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (800_000, 800_000)),
            )  # fmt: skip
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            return "too much for the shim itself"
        assert (done.returncode, done.stderr) == (0, b"")
        seen = scene.seen()
        assert not seen.handed_over
        assert seen.words[:5] == (b"uv", *map(os.fsencode, words))
        if len(seen.words) == 5:
            assert list(seen.environ) == scene.entries()
            return "nothing added"
        assert guard_of(seen) is not None
        return "all added"

    # Where the limit lies depends on the kernel; these are well below and well above it.
    low, high = 50_000, 131_000
    assert run(low) == "all added"
    assert run(high) == "too much for the shim itself"
    while high - low > 1:
        middle = (low + high) // 2
        if run(middle) == "all added":
            low = middle
        else:
            high = middle
    assert run(high) == "nothing added"


@pytest.mark.parametrize("count", [8000, 8001, 30_000])
def test_many_words_and_variables_pass(broken: Scene, count: int) -> None:
    words = tuple(str(index) for index in range(count - 1))
    seen = broken.outcome("uv", "run", *words)
    assert seen.words == (b"uv", b"run", *map(os.fsencode, words))

    broken.environ |= {f"V{index}": "x" for index in range(count)}
    seen = broken.outcome("uv", *WORDS)
    assert without_guard(seen.environ) == broken.entries()


def test_many_words_are_not_given_to_a_uv_that_would_misunderstand_them(broken: Scene) -> None:
    done = broken.run("uvx", *["x"] * 8001)

    assert (done.returncode, done.stdout) == (126, b"")
    assert not broken.record_to.exists()


def test_huge_words_pass(scene: Scene) -> None:
    words = ("run", "x" * 131_000, "y" * 131_000)

    seen = scene.outcome("uv", *words)

    assert seen.words[1:] == tuple(map(os.fsencode, words))
    assert seen.handed_over


def test_a_cwd_that_is_gone_is_left_to_python(scene: Scene) -> None:
    (scene.base / "lost").mkdir()
    command = ["/bin/sh", "-c", f'/bin/rmdir ../lost; exec "{scene.shims}/uv" cache']

    done = subprocess.run(command, cwd=scene.base / "lost", env=scene.environ, check=False)

    assert done.returncode == 0
    assert scene.seen().handed_over


def test_a_cwd_that_is_gone_stops_nothing(broken: Scene) -> None:
    (broken.base / "lost").mkdir()
    command = ["/bin/sh", "-c", f'/bin/rmdir ../lost; exec "{broken.shims}/uv" cache']

    done = subprocess.run(command, cwd=broken.base / "lost", env=broken.environ, check=False)

    assert done.returncode == 0
    assert not broken.seen().handed_over


def test_no_word_at_all_not_even_a_name(scene: Scene) -> None:
    seen = scene.raw_outcome([], scene.entries())

    assert seen.words == (b"uv",)


@pytest.mark.parametrize("configured", [False, True])
def test_an_unconfigured_launcher_says_so(scene: Scene, configured: bool) -> None:
    binary = scene.shims / "uv" if configured else scene.unconfigured

    done = subprocess.run([binary, "help"], env=scene.environ, capture_output=True, check=False)

    expected = (
        b"linkpolicy: this launcher is not configured (hint: `linkpolicy setup` installs it)\n"
    )
    assert done.stderr == (b"" if configured else expected)
    assert done.returncode == (0 if configured else 126)


@pytest.mark.parametrize(
    "configuration",
    [
        b"uw\0/x\0/p\0\0",
        b"uv\0relative\0/p\0\0",
        b"\0/x\0/p\0\0",
        b"uv\0\0\0",
        b"uv\0/x\0relative\0\0",
        b"uv\0/x\0\0",
        b"uv\0/x\0/p\0" + b"d" * 8192,
    ],
)
def test_a_configuration_that_setup_would_not_write_is_none(
    scene: Scene, configuration: bytes
) -> None:
    head = b"linkpolicy-launcher-config-v2\n"
    binary = scene.unconfigured.read_bytes()
    at = binary.index(head) + len(head)
    assert binary.count(head) == 1
    room = 8192 - len(head)
    spoilt = binary[:at] + configuration[:room].ljust(room, b"\0") + binary[at + room :]
    (scene.shims / "uv").write_bytes(spoilt)

    assert scene.run("uv", "help").returncode == 126
