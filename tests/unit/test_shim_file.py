"""The text of the Python shims, and what it does when linkpolicy itself is gone."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from uvx_policy import locate
from uvx_policy.setup import shim_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shim is a script on POSIX only")

#: prints which of SIGPIPE (13) and SIGXFSZ (25) it finds ignored, and its variables
REAL = """\
#!/bin/sh
read -r _ ignored <<END
$(grep SigIgn /proc/self/status)
END
echo "real $* ${_LINKPOLICY_IGNORED-unset} $ignored"
"""


def program(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o755)
    return path


def without_package(*, shim: str = "") -> bytes:
    return shim_file.render("uv", shim=shim).replace(b"uvx_policy.shim", b"uvx_policy_gone.shim")


def run(path: Path, *directories: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    search = ":".join([*map(str, directories), "/usr/bin", "/bin"])
    return subprocess.run(
        [path, "sync"], env={"PATH": search, **changes}, capture_output=True, text=True, check=False
    )


def test_the_text_is_python_also_the_part_that_is_compiled_when_needed() -> None:
    tree = ast.parse(shim_file.render("uv"))
    (kept,) = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and ast.unparse(node.targets[0]) == "WITHOUT_POLICY"
    ]

    assert isinstance(kept, str)
    assert locate.MARKER.decode() in kept
    compile(kept, "uv", "exec")


def test_little_is_compiled_on_each_call() -> None:
    tree = ast.parse(shim_file.render("uv"))

    assert len(tree.body) <= 5
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.For)]


@pytest.mark.parametrize("shim", ["", "/home/me/it's é/uv", os.fsdecode(b"/home/\xff/uv")])
def test_the_shim_knows_which_file_stands_on_path(shim: str) -> None:
    tree = ast.parse(shim_file.render("uvx", shim=shim))

    (names,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
    ]
    assert ast.literal_eval(names.elts[0]) == "uvx"
    if shim:
        assert ast.literal_eval(names.elts[1]) == shim
    else:
        assert ast.unparse(names.elts[1]) == "__file__"


def test_without_the_package_shims_of_either_kind_are_passed_over(tmp_path: Path) -> None:
    shim = program(tmp_path / "shims/uv", without_package())
    native = program(tmp_path / "native/uv", b"\x7fELF" + b"x" * 2000 + b"\n" + locate.MARKER)
    python = program(tmp_path / "python/uv", shim_file.render("uv"))
    short = program(tmp_path / "short/uv", b"#")
    short.chmod(0o644)
    real = program(tmp_path / "real/uv", REAL)

    done = run(shim, shim.parent, native.parent, python.parent, short.parent, real.parent)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("real sync unset ")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
@pytest.mark.parametrize(
    ("told", "ignored"),
    [("", set()), ("13", {13}), ("25", {25}), ("13,25", {13, 25})],
)
def test_without_the_package_signals_stay_as_the_launcher_found_them(
    tmp_path: Path, told: str, ignored: set[int]
) -> None:
    shim = program(tmp_path / "shims/uv", without_package())
    real = program(tmp_path / "real/uv", REAL)

    done = run(shim, real.parent, **({"_LINKPOLICY_IGNORED": told} if told else {}))

    _, _, variable, mask = done.stdout.split()
    assert variable == "unset"
    assert {number for number in (13, 25) if int(mask, 16) >> (number - 1) & 1} == ignored


def test_without_package_and_uv_the_shim_on_path_is_named(tmp_path: Path) -> None:
    embedded = repr(locate.embedded_directories()).encode()
    text = without_package(shim="/home/me/shims/uv").replace(embedded, b"[]")
    shim = program(tmp_path / ".linkpolicy/uv", text)

    done = run(shim, shim.parent)

    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == "linkpolicy: no uv on PATH but the shim `/home/me/shims/uv`\n"


def test_without_package_and_stderr_nothing_goes_to_stdout(tmp_path: Path) -> None:
    embedded = repr(locate.embedded_directories()).encode()
    shim = program(tmp_path / "shims/uv", without_package().replace(embedded, b"[]"))

    done = subprocess.run(
        ["/bin/sh", "-c", f"'{shim}' sync 2>&-"],
        env={"PATH": "/usr/bin:/bin", "LINKPOLICY_LOG": "debug"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (127, "")


@pytest.mark.parametrize("start", ["exec", "command"])
@pytest.mark.parametrize("behind", [True, False], ids=["another uv", "no other uv"])
def test_without_the_package_what_comes_back_is_stopped(
    tmp_path: Path, start: str, behind: bool
) -> None:
    embedded = repr(locate.embedded_directories()).encode()
    shim = program(tmp_path / "shims/uv", without_package().replace(embedded, b"[]"))
    again = f'#!/bin/sh\necho >> {tmp_path}/turns\n{start} {shim} "$@" --more\n'
    foreign = program(tmp_path / "foreign/uv", again)
    real = program(tmp_path / "real/uv", REAL)

    done = run(shim, shim.parent, foreign.parent, *([real.parent] if behind else []))

    assert (tmp_path / "turns").read_text().count("\n") == (1 if start == "exec" else 25)
    if behind:
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("real sync --more")
    else:
        told = f"linkpolicy: `{foreign}` starts this shim (`{shim}`) again, and PATH has no other\n"
        assert (done.returncode, done.stdout, done.stderr) == (126, "", told)


def test_without_the_package_uv_run_may_start_the_very_same_again(tmp_path: Path) -> None:
    """Which counts itself, and stops after a hundred times."""
    shim = program(tmp_path / "shims/uv", without_package())
    again = f"""#!/bin/sh
UV_RUN_RECURSION_DEPTH=$((${{UV_RUN_RECURSION_DEPTH:-0}} + 1))
export UV_RUN_RECURSION_DEPTH
test $UV_RUN_RECURSION_DEPTH = 40 && exec echo done
{shim} "$@"
"""
    real = program(tmp_path / "real/uv", again)
    other = program(tmp_path / "other/uv", "#!/bin/sh\nexit 77\n")

    done = run(shim, real.parent, other.parent)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("value", ["", ":", "::::", "x", "1.1:x:y:z", "\udcff;"])
def test_without_the_package_a_foreign_value_stops_nothing(tmp_path: Path, value: str) -> None:
    shim = program(tmp_path / "shims/uv", without_package())
    real = program(tmp_path / "real/uv", REAL)

    done = run(shim, real.parent, _LINKPOLICY_TRIED=value)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("real sync")
