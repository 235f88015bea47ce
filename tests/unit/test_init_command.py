from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

import pytest
import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from uvx_policy.errors import CannotWrite, ConfigError, LinkPolicyError, Unreadable, UsageError
from uvx_policy.host import Host
from uvx_policy.settings.edit import edit
from uvx_policy.settings.init_command import plan_init, write_init
from uvx_policy.settings.reader import KEYS, Settings, read_settings
from uvx_policy.state import user_file
from uvx_policy.toml_file import parse_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WANTED: dict[str, str | bool] = {"hackable": True, "cache": "project"}


def run(directory: Path, values: dict[str, str | bool]) -> tuple[str, ...]:
    plan = plan_init(str(directory), values)
    write_init(plan)
    return plan.changes


def settings_of(directory: Path) -> Settings:
    host = Host(environ={"HOME": "/nowhere"})
    return read_settings(host, project=str(directory), workspace="", place="")


# --- what is written ---


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param(
            "",
            '[tool.linkpolicy]\nhackable = true\ncache = "project"\n',
            ("add [tool.linkpolicy]", "set `hackable = true`", 'set `cache = "project"`'),
            id="empty file",
        ),
        pytest.param(
            "[project]\nname = 'a'  # mine\n",
            "[project]\nname = 'a'  # mine\n\n"
            '[tool.linkpolicy]\nhackable = true\ncache = "project"\n',
            ("add [tool.linkpolicy]", "set `hackable = true`", 'set `cache = "project"`'),
            id="new table at the end",
        ),
        pytest.param(
            "[project]\nname = 'a'",
            "[project]\nname = 'a'\n\n[tool.linkpolicy]\nhackable = true\ncache = \"project\"\n",
            ("add [tool.linkpolicy]", "set `hackable = true`", 'set `cache = "project"`'),
            id="no newline at the end",
        ),
        pytest.param(
            "# top\n[tool.linkpolicy] # ours\n# why\n  hackable=false   # because\n\n"
            "# about ruff\n[tool.ruff]\na = 1\n",
            "# top\n[tool.linkpolicy] # ours\n# why\n  hackable=true   # because\n"
            'cache = "project"\n\n'
            "# about ruff\n[tool.ruff]\na = 1\n",
            ("set `hackable = true`, was `hackable = false`", 'set `cache = "project"`'),
            id="existing table, comments of the next one stay with it",
        ),
        pytest.param(
            "[tool.linkpolicy]\n[tool.ruff]\na = 1\n",
            '[tool.linkpolicy]\nhackable = true\ncache = "project"\n[tool.ruff]\na = 1\n',
            ("set `hackable = true`", 'set `cache = "project"`'),
            id="empty table",
        ),
        pytest.param(
            "[tool.linkpolicy]\ncache = 'default'",
            '[tool.linkpolicy]\ncache = "project"\nhackable = true\n',
            ("set `hackable = true`", 'set `cache = "project"`, was `cache = "default"`'),
            id="table at the end without newline",
        ),
        pytest.param(
            "[tool.linkpolicy]\nhackable = 'yes'\ncache = 3\n",
            '[tool.linkpolicy]\nhackable = true\ncache = "project"\n',
            ("set `hackable = true`", 'set `cache = "project"`'),
            id="bad values are fixed",
        ),
        pytest.param(
            "tool.linkpolicy.hackable = false # x\nb = 1\n",
            'tool.linkpolicy.hackable = true # x\ntool.linkpolicy.cache = "project"\nb = 1\n',
            ("set `hackable = true`, was `hackable = false`", 'set `cache = "project"`'),
            id="dotted keys",
        ),
        pytest.param(
            "tool.ruff.a = 1\n[project]\nname = 'a'\n",
            "tool.ruff.a = 1\n[project]\nname = 'a'\n\n"
            '[tool.linkpolicy]\nhackable = true\ncache = "project"\n',
            ("add [tool.linkpolicy]", "set `hackable = true`", 'set `cache = "project"`'),
            id="another tool with dotted keys",
        ),
        pytest.param(
            "[tool.a]\n[project]\nx = '''\n[tool.linkpolicy]\nhackable = false\n'''\n"
            "[tool.linkpolicy]\nhackable = false\n[tool.b]\n",
            "[tool.a]\n[project]\nx = '''\n[tool.linkpolicy]\nhackable = false\n'''\n"
            '[tool.linkpolicy]\nhackable = true\ncache = "project"\n[tool.b]\n',
            ("set `hackable = true`, was `hackable = false`", 'set `cache = "project"`'),
            id="tables out of order and a look-alike in a string",
        ),
    ],
)
@pytest.mark.parametrize("ends", ["LF", "CRLF", "BOM"])
def test_settings_go_in_and_everything_else_stays(
    tmp_path: Path, before: str, after: str, changes: tuple[str, ...], ends: str
) -> None:
    path = tmp_path / "pyproject.toml"

    def as_bytes(text: str) -> bytes:
        if ends == "CRLF" and "\n" in before:
            text = text.replace("\n", "\r\n")
        return (b"\xef\xbb\xbf" if ends == "BOM" else b"") + text.encode()

    path.write_bytes(as_bytes(before))

    told = run(tmp_path, WANTED)

    assert path.read_bytes() == as_bytes(after)
    assert told == changes
    settings = settings_of(tmp_path)
    assert (settings.hackable.value, settings.cache.value) == ("true", "project")
    assert run(tmp_path, WANTED) == ()
    assert path.read_bytes() == as_bytes(after)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("tool = { a = 1 } # x\nb = 1\n", id="tool"),
        pytest.param(
            "tool = { a = 1, linkpolicy = { hackable = false } } # x\nb = 1\n", id="ours in tool"
        ),
        pytest.param(
            "[tool]\nlinkpolicy = { hackable = false } # x\na = 1\n[z]\nb = 1\n", id="ours"
        ),
    ],
)
def test_an_inline_table_takes_ours_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)

    run(tmp_path, WANTED)

    assert tomli.loads(path.read_text())["tool"] == {"a": 1, "linkpolicy": WANTED}
    assert path.read_text().partition("} # x\n")[2] == text.partition("} # x\n")[2] != ""


def test_without_pyproject_a_file_of_our_own_is_made(tmp_path: Path) -> None:
    changes = run(tmp_path, WANTED)

    path = tmp_path / "linkpolicy.toml"
    assert path.read_text() == 'hackable = true\ncache = "project"\n'
    assert changes == (f"create `{path}`",)
    assert settings_of(tmp_path).hackable.value == "true"


def test_our_own_file_is_updated_even_beside_a_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'linkpolicy'\n")
    (tmp_path / "linkpolicy.toml").write_text("# top\nhackable = false # why\n# end\n")

    run(tmp_path, WANTED)

    assert (tmp_path / "pyproject.toml").read_text() == "[project]\nname = 'linkpolicy'\n"
    assert (tmp_path / "linkpolicy.toml").read_text() == (
        '# top\nhackable = true # why\ncache = "project"\n# end\n'
    )


@pytest.mark.parametrize("name", ["pyproject.toml", "linkpolicy.toml"])
def test_without_values_the_table_explains_itself(tmp_path: Path, name: str) -> None:
    if name == "pyproject.toml":
        (tmp_path / name).write_text("[project]\nname = 'a'\n")

    assert run(tmp_path, {})

    text = (tmp_path / name).read_text()
    for key in KEYS:
        assert key.meaning in text
        assert f"# {key.name} = " in text
    assert settings_of(tmp_path) == Settings()
    assert run(tmp_path, {}) == ()
    uncommented = text.replace("# hackable = ", "hackable = ").replace("# cache = ", "cache = ")
    (tmp_path / name).write_text(uncommented)
    assert settings_of(tmp_path).cache.origin.kind == "file"


@pytest.mark.parametrize("name", ["pyproject.toml", "linkpolicy.toml"])
def test_a_value_goes_below_the_comment_that_explains_it(tmp_path: Path, name: str) -> None:
    if name == "pyproject.toml":
        (tmp_path / name).write_text("[project]\nname = 'a'\n")
    run(tmp_path, {})

    run(tmp_path, {"fallback": "error", "hackable": True})

    text = (tmp_path / name).read_text()
    assert '# fallback = "copy"\nfallback = "error"\n' in text
    assert "# hackable = false\nhackable = true\n" in text


@pytest.mark.parametrize("values", [{}, {"hackable": False}, {"link-mode": "clone"}])
def test_what_is_there_already_is_not_written_again(
    tmp_path: Path, values: dict[str, str | bool]
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.linkpolicy]\nhackable=false\nlink-mode = 'reflink'\n")
    before = path.stat()

    plan = plan_init(str(tmp_path), values)

    assert plan.changes == ()
    assert not write_init(plan)
    after = path.stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        pytest.param({"link-mode": "reflink"}, 'link-mode = "clone"', id="alias"),
        pytest.param({"hackable": "true"}, "hackable = true", id="word for a boolean"),
        pytest.param({"hackable": False}, "hackable = false", id="false"),
    ],
)
def test_values_are_written_in_their_canonical_spelling(
    tmp_path: Path, given: dict[str, str | bool], written: str
) -> None:
    run(tmp_path, given)

    assert (tmp_path / "linkpolicy.toml").read_text() == written + "\n"


def test_mixed_line_ends_stay_mixed(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b"[project]\nname = 'x'\r\n[tool.linkpolicy]\r\nhackable = false\r\n[a]\n")

    run(tmp_path, {"cache": "project"})

    assert path.read_bytes() == (
        b"[project]\nname = 'x'\r\n[tool.linkpolicy]\r\nhackable = false\r\n"
        b'cache = "project"\n[a]\n'
    )


# --- what is refused ---


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        pytest.param(
            {"hackabel": True}, "no setting `hackabel`", "did you mean `hackable`?", id="name"
        ),
        pytest.param(
            {"cache": "projct"}, "`cache` must be one of", "did you mean `project`?", id="value"
        ),
        pytest.param({"cache": True}, "`cache` must be one of", "", id="boolean for a word"),
        pytest.param({"hackable": "yes"}, "`hackable` must be one of", "", id="word for a boolean"),
    ],
)
def test_wrong_values_are_a_usage_error(
    tmp_path: Path, values: dict[str, str | bool], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as told:
        plan_init(str(tmp_path), values)

    assert told.value.hint == hint
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        plan_init(str(tmp_path / "no"), {})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("[project\n", "pyproject.toml:1: ", id="broken TOML"),
        pytest.param("tool = 3\n", "pyproject.toml:1: [tool] must be a table", id="no tool table"),
        pytest.param("[[tool]]\n", "pyproject.toml:1: [tool] must be a table", id="tool array"),
        pytest.param(
            "[tool]\nlinkpolicy = 3\n",
            "pyproject.toml:2: [tool.linkpolicy] must be a table",
            id="ours is none",
        ),
        pytest.param(
            "[tool.linkpolicy]\nx = 3\n", "pyproject.toml:2: unknown key `x`", id="unknown key"
        ),
        pytest.param("[tool.linkpolicy]\nlink-mode = 'clone'\n", "contradicts", id="contradiction"),
        pytest.param(
            "[tool.linkpolicy]\nhackable = [\n1,\n]\n",
            "too complex to edit automatically",
            id="lines lost",
        ),
        pytest.param(
            '"tool" = { a = 1 }\n', "write `hackable = true`", id="a table that cannot grow"
        ),
    ],
)
def test_a_file_that_cannot_be_edited_stays_as_it_is(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as told:
        run(tmp_path, WANTED)

    assert fault in str(told.value)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "slip",
    [
        pytest.param(lambda text: text + "[added]\n", id="something added"),
        pytest.param(lambda text: text.replace("# why", "# wry"), id="comment changed"),
        pytest.param(lambda text: text.replace("a = 1", "a = 2"), id="value changed"),
        pytest.param(lambda text: text.replace("= true", "= false"), id="value not set"),
        pytest.param(lambda text: text + "[", id="not TOML"),
    ],
)
def test_a_slip_of_the_editing_library_is_caught(
    slip: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# why\n[z]\na = 1\n[tool.linkpolicy]\nhackable = false\n"
    file = parse_toml("/p/pyproject.toml", text)
    monkeypatch.setattr(tomlkit, "dumps", lambda _: slip(text.replace("false", "true")))

    with pytest.raises(ConfigError, match="write `hackable = true` in"):
        edit(file, {"hackable": "true"})


def test_comments_cannot_stand_in_an_inline_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("tool = { a = 1 }\n")

    with pytest.raises(ConfigError, match="no comment can stand"):
        plan_init(str(tmp_path), {})


def test_settings_in_both_files_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.linkpolicy]\n")
    (tmp_path / "linkpolicy.toml").write_text("")

    with pytest.raises(ConfigError, match="keep only one"):
        plan_init(str(tmp_path), WANTED)


def test_other_bytes_than_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"# \xff\n")

    with pytest.raises(Unreadable, match="not UTF-8"):
        plan_init(str(tmp_path), WANTED)


def test_a_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()

    with pytest.raises(Unreadable):
        plan_init(str(tmp_path), WANTED)


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").symlink_to(tmp_path / "no.toml")

    with pytest.raises(Unreadable, match="dangling symbolic link"):
        plan_init(str(tmp_path), WANTED)


# --- how it is written ---


def test_the_mode_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    path.chmod(0o640)

    run(tmp_path, WANTED)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_of_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run(tmp_path, WANTED)
        left = os.umask(0o027)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "linkpolicy.toml").stat().st_mode) == 0o640
    assert left == 0o027


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    os.chown(path, 12345, 12346)

    run(tmp_path, WANTED)

    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real" / "config.toml"
    real.parent.mkdir()
    real.write_text("[project]\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").symlink_to("../real/config.toml")

    run(project, WANTED)

    assert os.readlink(project / "pyproject.toml") == "../real/config.toml"
    assert "hackable = true" in real.read_text()
    assert os.listdir(project) == ["pyproject.toml"]


def test_a_hard_link_is_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    (tmp_path / "other").hardlink_to(path)

    with pytest.raises(CannotWrite, match="hard link"):
        run(tmp_path, WANTED)

    assert path.stat().st_nlink == 2
    assert path.read_text() == ""


def test_extended_attributes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    try:
        os.setxattr(path, "user.mine", b"yes")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")

    run(tmp_path, WANTED)

    assert os.getxattr(path, "user.mine") == b"yes"


def test_an_acl_that_cannot_be_kept_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mask looks like the rights of the group: without the ACL the group would have them."""
    path = tmp_path / "pyproject.toml"
    path.write_text("")

    def refuse(*_: object) -> None:
        raise PermissionError(1, "no")

    monkeypatch.setattr(os, "listxattr", lambda _: ["system.posix_acl_access"])
    monkeypatch.setattr(os, "getxattr", lambda *_: b"acl")
    monkeypatch.setattr(os, "setxattr", refuse)

    with pytest.raises(LinkPolicyError, match="its ACL cannot be kept"):
        run(tmp_path, WANTED)

    assert path.read_text() == ""
    assert [each.name for each in tmp_path.iterdir()] == ["pyproject.toml"]


def test_what_a_killed_run_left_is_replaced_and_what_another_builds_is_not(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    left = tmp_path / f"pyproject.toml{user_file.UNFINISHED}"
    left.write_text("[project")

    with left.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(CannotWrite, match="another program"):
            run(tmp_path, WANTED)
    assert (path.read_text(), left.read_text()) == ("", "[project")

    run(tmp_path, WANTED)
    assert "hackable = true" in path.read_text()
    assert os.listdir(tmp_path) == ["pyproject.toml"]


def test_killed_after_the_new_file_got_its_name_it_can_be_edited_again(tmp_path: Path) -> None:
    run(tmp_path, WANTED)
    path = tmp_path / "linkpolicy.toml"
    (tmp_path / f"linkpolicy.toml{user_file.UNFINISHED}").hardlink_to(path)

    run(tmp_path, {"hackable": False})

    assert "hackable = false" in path.read_text()
    assert os.listdir(tmp_path) == ["linkpolicy.toml"]


def test_an_edit_of_somebody_else_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    plan = plan_init(str(tmp_path), WANTED)
    path.write_text("[project]\n")

    with pytest.raises(CannotWrite, match="was changed by another program"):
        write_init(plan)

    assert path.read_text() == "[project]\n"
    assert os.listdir(tmp_path) == ["pyproject.toml"]


def test_a_file_that_vanished_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    plan = plan_init(str(tmp_path), WANTED)
    path.unlink()

    with pytest.raises(CannotWrite):
        write_init(plan)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_file_that_appeared_meanwhile_is_not_replaced(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_init(str(tmp_path), WANTED)
    (tmp_path / "linkpolicy.toml").write_text("# theirs\n")
    if not links:
        monkeypatch.setattr(os, "link", _no_links)

    with pytest.raises(CannotWrite, match="was changed by another program"):
        write_init(plan)

    assert (tmp_path / "linkpolicy.toml").read_text() == "# theirs\n"
    assert os.listdir(tmp_path) == ["linkpolicy.toml"]


def test_a_new_file_is_made_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)

    run(tmp_path, WANTED)

    assert os.listdir(tmp_path) == ["linkpolicy.toml"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_failure_at_any_step_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\n")
    plan = plan_init(str(tmp_path), WANTED)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)

    with pytest.raises(CannotWrite, match="No space left on device"):
        write_init(plan)

    assert path.read_text() == "[project]\n"
    assert os.listdir(tmp_path) == ["pyproject.toml"]


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    plan = plan_init(str(tmp_path), WANTED)
    monkeypatch.setattr(os, "access", lambda *_: False)  # as root everything is writable

    with pytest.raises(CannotWrite, match="read-only"):
        write_init(plan)


def _no_links(*_: object) -> None:
    raise OSError(95, "Operation not supported")


# --- generated files ---

_others = st.lists(
    st.sampled_from([
        "# a comment",
        "",
        "[project]\nname = 'a' # b\ndependencies = [\n  'x', # y\n]",
        "[tool.ruff]\nselect = [ 'A',\n 'B' ]",
        "[tool.linkpolicy-other]\nhackable = 1",
        "[[tool.list]]\na = 1\n[[tool.list]]\nb.c = { d = 1 }",
        "[x]\ntext = '''\n[tool.linkpolicy]\nhackable = 1\n'''",
        "[y]\n\u2028 = 1".replace("\u2028", '"\u2028\x85"') + " # \u2028 \x85",
    ]),
    unique=True,
)  # fmt: skip
_values = st.fixed_dictionaries(
    {}, optional={key.name: st.sampled_from(key.allowed) for key in KEYS}
)


@given(
    before=_others,
    after=_others,
    present=st.none() | _values,
    wanted=_values,
    comment=st.sampled_from(["", " # why"]),
    end=st.sampled_from(["", "\n"]),
)
def test_nothing_but_our_table_ever_changes(
    before: list[str],
    after: list[str],
    present: dict[str, str] | None,
    wanted: dict[str, str],
    comment: str,
    end: str,
) -> None:
    ours = []
    if present is not None:
        values = [
            f"{name} = {value if name == 'hackable' else repr(value)}{comment}"
            for name, value in present.items()
        ]
        ours = ["\n".join(["[tool.linkpolicy]", *values])]
    after = [part for part in after if part not in before or not part.startswith("[")]
    text = "\n".join([*before, *ours, *after]) + end
    file = parse_toml("/p/pyproject.toml", text)

    try:
        new, changes = edit(file, wanted)
    except ConfigError as error:
        together = {**(present or {}), **wanted}
        contradiction = together.get("link-mode", "auto") not in ("auto", "copy")
        assert contradiction, error  # noqa: PT017
        assert together["hackable"] == "true"
        return

    data = parse_toml("/p/pyproject.toml", new).data
    expected = {**(present or {}), **wanted}
    found = data["tool"].pop("linkpolicy") if "linkpolicy" in data.get("tool", {}) else {}
    assert {name: str(value).lower() for name, value in found.items()} == expected
    old = file.data
    if "tool" in old:
        old["tool"].pop("linkpolicy", None)
    assert {**data, "tool": data.get("tool", {})} == {**old, "tool": old.get("tool", {})}
    rest = iter(new.split("\n"))
    for line in text.split("\n"):
        name = line.partition(" =")[0]
        assert name in wanted or line in rest
    if not changes:
        assert new == text


def test_every_refusal_is_one_of_our_errors() -> None:
    assert issubclass(CannotWrite, LinkPolicyError)
