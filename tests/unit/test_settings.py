from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import uvx_policy
from uvx_policy import toml_file
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.model import DEFAULT, Origin, Status
from uvx_policy.settings.reader import KEYS, CacheEntry, Setting, Settings, read_settings

if TYPE_CHECKING:
    from pathlib import Path


class Machine:
    """A home, a machine configuration and a workspace below one directory.

    No `World`: settings are read, and nothing is started.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.user = self.home / ".config" / "linkpolicy" / "config.toml"
        self.site = root / "etc" / "linkpolicy" / "config.toml"
        self.workspace = root / "work"
        self.member = self.workspace / "packages" / "a"
        for path in (self.user.parent, self.site.parent, self.member):
            path.mkdir(parents=True)
        self.environ = {"HOME": str(self.home), "XDG_CONFIG_DIRS": str(root / "etc")}
        #: instead of this machine
        self.host: Host | None = None

    def read(self, *, place: str = "") -> Settings:
        """Settings of the member; with `place`, of an environment without a project."""
        project = "" if place else str(self.member)
        workspace = "" if place else str(self.workspace)
        host = self.host or Host(environ=self.environ)
        return read_settings(host, project=project, workspace=workspace, place=place)

    def faults(self) -> list[str]:
        """All faults, without the directory of this test."""
        with pytest.raises(ConfigError) as told:
            self.read()
        return [str(fault).replace(f"{self.root}{os.sep}", "") for fault in told.value.faults]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path.resolve())


# --- defaults and the data ---


def test_without_any_file_everything_is_built_in(machine: Machine) -> None:
    assert machine.read() == Settings()
    assert machine.read(place=str(machine.root)) == Settings()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_has_its_default_in_settings(machine: Machine, key: object) -> None:
    name, default = key.field, key.default  # type: ignore[attr-defined]

    assert getattr(machine.read(), name) == Setting(value=default, origin=DEFAULT, layer=0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(key, value, id=f"{key.name}={value}")
        for key in KEYS
        for value in (*key.allowed, *key.aliases)
    ],
)
def test_every_allowed_value_is_accepted(machine: Machine, key: object, value: str) -> None:
    name, boolean = key.name, key.is_boolean  # type: ignore[attr-defined]
    quoted = value if boolean else f'"{value}"'
    path = machine.member / "pyproject.toml"
    path.write_text(f"[project]\nname = 'a'\n[tool.linkpolicy]\n{name} = {quoted}\n")

    setting = getattr(machine.read(), name.replace("-", "_"))

    assert setting.value == {"reflink": "clone"}.get(value, value)
    assert setting.origin == Origin(kind="file", name=str(path), line=4)


# --- layers ---


def test_key_by_key_the_most_specific_table_wins(machine: Machine) -> None:
    everything = (
        'hackable = true\ncache = "default"\nfallback = "error"\nsymlinked-venv = "ignore"\n'
    )
    machine.site.write_text(f"""\
[defaults]
{everything}
link-mode = "copy"
[[rules]]
path = "{machine.workspace}/**"
fallback = "copy"
cache = "default"
""")
    machine.user.write_text(f"""\
[defaults]
symlinked-venv = "keep"
fallback = "error"
cache = "default"
[[rules]]
path = "{machine.workspace}/**"
cache = "project"
""")
    (machine.workspace / "pyproject.toml").write_text("[tool.linkpolicy]\nhackable = false\n")
    (machine.member / "linkpolicy.toml").write_text('link-mode = "auto"\n')

    settings = machine.read()

    found = {key.name: getattr(settings, key.field) for key in KEYS}
    assert {name: (each.value, each.layer) for name, each in found.items()} == {
        "hackable": ("false", 5),
        "link-mode": ("auto", 7),
        "cache": ("project", 4),
        "fallback": ("copy", 3),
        "seed": ("auto", 0),
        "symlinked-venv": ("keep", 2),
        "programs": ("auto", 0),
    }
    assert str(settings.cache.origin) == f"{machine.user}:7"
    assert str(settings.link_mode.origin) == f"{machine.member}/linkpolicy.toml:1"


def test_every_directory_up_to_the_workspace_root_counts(machine: Machine) -> None:
    (machine.root / "pyproject.toml").write_text("[tool.linkpolicy]\nhackable = true\n")
    between = machine.member.parent / "pyproject.toml"
    between.write_text('[tool.linkpolicy]\nfallback = "error"\n')
    (machine.workspace / "linkpolicy.toml").write_text('fallback = "copy"\ncache = "default"\n')

    settings = machine.read()

    assert settings.hackable.value == "false", "above the workspace root nothing is read"
    assert settings.fallback == Setting(
        value="error", origin=Origin(kind="file", name=str(between), line=2), layer=6
    )
    assert settings.cache.layer == 5


def test_a_workspace_elsewhere_is_less_specific_than_the_project(machine: Machine) -> None:
    outside = machine.root / "outside"
    outside.mkdir()
    (outside / "linkpolicy.toml").write_text('fallback = "error"\n')
    (machine.workspace / "linkpolicy.toml").write_text('fallback = "copy"\ncache = "default"\n')

    settings = read_settings(
        Host(environ=machine.environ),
        project=str(outside),
        workspace=str(machine.workspace),
        place="",
    )

    assert (settings.fallback.value, settings.fallback.layer) == ("error", 6)
    assert (settings.cache.value, settings.cache.layer) == ("default", 5)


def test_a_project_without_workspace_reads_its_own_directory(machine: Machine) -> None:
    (machine.member / "linkpolicy.toml").write_text("hackable = true\n")
    (machine.workspace / "linkpolicy.toml").write_text('cache = "default"\n')

    settings = read_settings(
        Host(environ=machine.environ), project=str(machine.member), workspace="", place=""
    )

    assert (settings.hackable.value, settings.cache.value) == ("true", "auto")


def test_only_the_first_machine_file_counts(machine: Machine) -> None:
    second = machine.root / "etc2" / "linkpolicy" / "config.toml"
    second.parent.mkdir(parents=True)
    second.write_text('[defaults]\ncache = "default"\nfallback = "error"\n')
    machine.environ["XDG_CONFIG_DIRS"] += f":{machine.root}/etc2"

    assert machine.read().fallback.value == "error"

    machine.site.write_text('[defaults]\ncache = "project"\n')

    settings = machine.read()
    assert (settings.cache.value, settings.fallback.value) == ("project", "copy")


# --- rules ---


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        pytest.param("{root}/work/**", True, id="anything below"),
        pytest.param("{root}/work/packages/a", True, id="exactly"),
        pytest.param("{root}/work/packages/a/", True, id="with a slash at the end"),
        pytest.param("{root}//work/./packages/a", True, id="needless slashes and dots"),
        pytest.param("{root}/work/packages/a/**", True, id="** is also no directory at all"),
        pytest.param("{root}/work/**/a", True, id="** in the middle"),
        pytest.param("/**/packages/?", True, id="** first"),
        pytest.param("{root}/work/pack*/[a-c]", True, id="wildcards inside components"),
        pytest.param("{root}/work/*/[!a]", False, id="negated class"),
        pytest.param("{root}/work", False, id="a directory above, without **"),
        pytest.param("{root}/work/*", False, id="* is one component"),
        pytest.param("{root}/work/packages/a/b", False, id="below"),
        pytest.param("~/**", False, id="home"),
    ],
)
def test_a_rule_matches_the_directory_of_the_project(
    machine: Machine, pattern: str, matched: bool
) -> None:
    pattern = pattern.format(root=machine.root)
    machine.user.write_text(f"[[rules]]\npath = '{pattern}'\nhackable = true\n")

    assert machine.read().hackable.value == str(matched).lower()


def test_the_last_rule_that_matches_and_has_the_key_wins(machine: Machine) -> None:
    machine.user.write_text("""\
[[rules]]
path = "/**"
fallback = "error"
cache = "default"
[[rules]]
path = "/**/a"
fallback = "copy"
[[rules]]
path = "/elsewhere"
fallback = "error"
""")

    settings = machine.read()

    assert str(settings.fallback.origin) == f"{machine.user}:7"
    assert str(settings.cache.origin) == f"{machine.user}:4"


def test_without_a_project_rules_match_the_place(machine: Machine) -> None:
    machine.user.write_text("[[rules]]\npath = '~/oss/**'\nhackable = true\n")

    assert machine.read(place=f"{machine.home}/oss/x").hackable.value == "true"
    assert machine.read(place=f"{machine.home}/other").hackable.value == "false"


def test_with_a_project_the_place_does_not_matter(machine: Machine) -> None:
    machine.user.write_text("[[rules]]\npath = '/place'\nhackable = true\n")

    settings = read_settings(
        Host(environ=machine.environ), project=str(machine.member), workspace="", place="/place"
    )

    assert settings.hackable.value == "false"


def test_a_rule_matches_the_real_path_of_a_linked_project(machine: Machine) -> None:
    link = machine.root / "link"
    link.symlink_to(machine.member)
    machine.user.write_text(f"[[rules]]\npath = '{machine.workspace}/**'\nhackable = true\n")

    settings = read_settings(
        Host(environ=machine.environ), project=str(link), workspace=str(link), place=""
    )

    assert settings.hackable.value == "true"


def test_home_in_a_rule_may_be_behind_a_link(machine: Machine) -> None:
    real = machine.root / "var" / "[me]*"  # what looks like a pattern in a real path is none
    (real / "oss" / "x").mkdir(parents=True)
    os.rename(machine.home / ".config", real / ".config")
    machine.home.rmdir()
    machine.home.symlink_to(real)
    machine.user.write_text("[[rules]]\npath = '~/oss/*'\nhackable = true\n")

    assert machine.read(place=str(real / "oss" / "x")).hackable.value == "true"
    assert machine.read(place=str(machine.home / "oss" / "x")).hackable.value == "true"


def test_wildcards_in_the_name_of_the_home_are_literal(machine: Machine) -> None:
    home = machine.root / "h[ae]*"
    os.rename(machine.home, home)
    machine.environ["HOME"] = str(home)
    (home / ".config/linkpolicy/config.toml").write_text(
        "[[rules]]\npath = '~/oss'\nhackable = true\n"
    )

    assert machine.read(place=str(home / "oss")).hackable.value == "true"
    assert machine.read(place=str(machine.root / "ha" / "oss")).hackable.value == "false"


def test_a_rule_for_a_directory_closed_to_us_matches_nothing(machine: Machine) -> None:
    class Closed(Host):
        def real_path(self, path: str) -> str:
            if path == "/closed":
                raise Unreadable(path, "Permission denied")
            return super().real_path(path)

    machine.site.write_text("[[rules]]\npath = '/closed/**'\nhackable = true\n")
    machine.host = Closed(environ=machine.environ)

    assert machine.read() == Settings()


def test_a_project_whose_real_path_is_unknown_is_a_fault_where_rules_need_it(
    machine: Machine,
) -> None:
    loop = machine.root / "loop"
    loop.symlink_to(loop)
    machine.user.write_text("[[rules]]\npath = '/x'\nhackable = true\n")

    with pytest.raises(ConfigError, match="cannot read"):
        machine.read(place=str(loop))


# --- caches ---


def test_caches_of_the_user_come_before_those_of_the_machine(machine: Machine) -> None:
    machine.site.write_text('[caches]\n"/mnt/a" = "/mnt/a/site"\n"/mnt/b" = "/mnt/b/site"\n')
    machine.user.write_text('[caches]\n"/mnt/c/" = "~/c"\n"/mnt/b" = "/mnt//b/mine/"\n')

    caches = machine.read().caches

    assert [(each.filesystem, each.directory) for each in caches] == [
        ("/mnt/c", f"{machine.home}/c"),
        ("/mnt/b", "/mnt/b/mine"),
        ("/mnt/a", "/mnt/a/site"),
    ]
    assert caches[0] == CacheEntry(
        filesystem="/mnt/c",
        directory=f"{machine.home}/c",
        origin=Origin(kind="file", name=str(machine.user), line=2),
    )


def test_caches_to_seed_from_are_those_of_the_user_and_then_the_machine(machine: Machine) -> None:
    machine.site.write_text('[caches]\nseed-from = ["/opt/cache/", "/site/{uid}"]\n')
    machine.user.write_text('[caches]\n"/mnt/a" = "/mnt/a/mine"\nseed-from = ["~/image"]\n')

    settings = machine.read()

    assert [each.directory for each in settings.seed_from] == [
        f"{machine.home}/image",
        "/opt/cache",
        f"/site/{os.getuid()}",
    ]
    assert str(settings.seed_from[0].origin).endswith("config.toml:3")
    assert [each.filesystem for each in settings.caches] == ["/mnt/a"]


def read_as(machine: Machine, uid: int, accounts: dict[int, str]) -> list[tuple[str, str]]:
    """The entries that this user gets."""

    class User(Host):
        def account(self, uid: int) -> str:
            return accounts.get(uid, "")

    machine.host = User(environ=machine.environ)
    machine.host.uid = uid
    return [(each.filesystem, each.directory) for each in machine.read().caches]


def test_the_machines_file_says_for_each_user_where(machine: Machine) -> None:
    machine.site.write_text(
        '[caches]\n"/scratch/{user}" = "/scratch/{user}/uv-{uid}"\n"/tmp" = "/tmp/{uid}/uv"\n'
    )
    accounts = {1001: "ann", 1002: "bob.b@dom", 1004: "../root", 1005: ".."}

    assert read_as(machine, 1001, accounts) == [
        ("/scratch/ann", "/scratch/ann/uv-1001"), ("/tmp", "/tmp/1001/uv"),
    ]  # fmt: skip
    assert read_as(machine, 1002, accounts)[0][1] == "/scratch/bob.b@dom/uv-1002"
    for uid in (1003, 1004, 1005):  # without a name, or with one that leads elsewhere
        assert read_as(machine, uid, accounts) == [("/tmp", f"/tmp/{uid}/uv")]


def test_who_i_am_is_asked_only_for_a_placeholder(machine: Machine) -> None:
    machine.host = Host(environ=machine.environ)
    machine.site.write_text('[caches]\n"/a" = "/a/{uid}"\n')
    machine.read()
    assert ("c", "/etc/passwd") not in {each[:2] for each in machine.host.witnesses}

    machine.site.write_text('[caches]\n"/a" = "/a/{user}"\n')
    machine.host = Host(environ=machine.environ)
    (entry,) = machine.read().caches

    assert entry.directory == f"/a/{machine.host.account(os.geteuid())}"
    assert ("c", "/etc/passwd") in {each[:2] for each in machine.host.witnesses}


@pytest.mark.parametrize("wrong", ["{home}", "{", "}", "{}", "{user", "{{user}}", "{user}}"])
@pytest.mark.parametrize("where", ["key", "value"])
def test_another_brace_of_the_machine_is_a_fault(machine: Machine, wrong: str, where: str) -> None:
    line = f'"/a" = "/a/{wrong}"' if where == "value" else f'"/a/{wrong}" = "/a"'
    machine.site.write_text(f"[caches]\n{line}\n")

    (fault,) = machine.faults()

    assert fault == (
        "etc/linkpolicy/config.toml:2: braces in [caches] of the machine can only be "
        "`{user}` and `{uid}`"
    )


def test_in_a_users_own_file_a_brace_is_a_character(machine: Machine) -> None:
    machine.user.write_text('[caches]\n"/a" = "/a/{user}/{x"\n')

    assert machine.read().caches[0].directory == "/a/{user}/{x"


def test_the_root_is_a_file_system_too(machine: Machine) -> None:
    machine.user.write_text('[caches]\n"/" = "/cache"\n')

    assert machine.read().caches[0].filesystem == "/"


def test_drives_of_windows_are_absolute_there(machine: Machine) -> None:
    local = machine.root / "local"
    (local / "linkpolicy").mkdir(parents=True)
    (local / "linkpolicy" / "config.toml").write_text(
        "[caches]\n'D:\\' = 'D:\\uv\\cache'\n'//server/share' = '~\\c'\n"
        "[[rules]]\npath = 'd:\\OSS\\**'\nhackable = true\n"
    )
    environ = {"LOCALAPPDATA": str(local), "USERPROFILE": "C:\\Users\\me", "PROGRAMDATA": "/no"}
    host = Host(environ=environ, platform="win32")

    settings = read_settings(host, project="", workspace="", place="D:\\oss\\x")

    assert [(each.filesystem, each.directory) for each in settings.caches] == [
        ("D:/", "D:/uv/cache"),
        ("//server/share", "C:/Users/me/c"),
    ]
    assert settings.hackable.value == "true"


# --- faults ---

FAULTY_TABLES = [
    pytest.param(
        "hackabel = true",
        ["unknown key `hackabel` in [tool.linkpolicy]; did you mean `hackable`?"],
        id="misspelt key",
    ),
    pytest.param(
        'link_mode = "copy"',
        ["unknown key `link_mode` in [tool.linkpolicy]; did you mean `link-mode`?"],
        id="underscore",
    ),
    pytest.param(
        "LINK_MODE = 1",
        ["unknown key `LINK_MODE` in [tool.linkpolicy]; did you mean `link-mode`?"],
        id="capitals",
    ),
    pytest.param("zzz = 1", ["unknown key `zzz` in [tool.linkpolicy]"], id="nothing like it"),
    pytest.param(
        'link-mode = "hardlnk"',
        [
            (
                "`link-mode` must be one of auto, clone, hardlink, copy, symlink, "
                'not "hardlnk"; did you mean "hardlink"?'
            )
        ],
        id="misspelt value",
    ),
    pytest.param(
        'fallback = "Error"',
        ['`fallback` must be one of copy, error, not "Error"; did you mean "error"?'],
        id="case counts",
    ),
    pytest.param(
        'cache = "/tmp/x"',
        [
            (
                '`cache` must be one of auto, default, project, not "/tmp/x"; '
                "a path can only stand in [caches] of your own config.toml"
            )
        ],
        id="free path",
    ),
    pytest.param(
        'hackable = "yes"',
        ['`hackable` must be true or false, not the string "yes"'],
        id="string for a boolean",
    ),
    pytest.param("hackable = 1", ["`hackable` must be true or false, not the integer 1"], id="int"),
    pytest.param(
        "cache = true",
        ["`cache` must be one of auto, default, project, not the boolean true"],
        id="boolean for a string",
    ),
    pytest.param(
        "cache = []", ["`cache` must be one of auto, default, project, not an array"], id="array"
    ),
    pytest.param(
        "cache = {}", ["`cache` must be one of auto, default, project, not a table"], id="table"
    ),
    pytest.param(
        "cache = 1.5",
        ["`cache` must be one of auto, default, project, not the number 1.5"],
        id="float",
    ),
    pytest.param(
        "cache = 1979-05-27",
        ["`cache` must be one of auto, default, project, not a date or time"],
        id="date",
    ),
    pytest.param(
        f"cache = 0x{'f' * 5000}",
        ["`cache` must be one of auto, default, project, not an integer"],
        id="an integer too long to print",
    ),
    pytest.param(
        'rules = "x"',
        ["unknown key `rules` in [tool.linkpolicy]; only your own config.toml can have it"],
        id="rules in a project",
    ),
    pytest.param(
        'caches = { "/" = "/x" }',
        ["unknown key `caches` in [tool.linkpolicy]; only your own config.toml can have it"],
        id="caches in a project",
    ),
    pytest.param(
        'link-mode = "hardlink"\nhackable = true',
        [
            (
                '`link-mode = "hardlink"` contradicts `hackable = true`, '
                "which means private copies; remove one of them"
            )
        ],
        id="contradiction",
    ),
    pytest.param(
        '"\\u001b[31m\\n" = 1',
        ["unknown key `\\x1b[31m\\n` in [tool.linkpolicy]"],
        id="terminal escapes",
    ),
]


@pytest.mark.parametrize(("table", "expected"), FAULTY_TABLES)
def test_a_fault_says_line_reason_and_nearest_spelling(
    machine: Machine, table: str, expected: list[str]
) -> None:
    (machine.member / "pyproject.toml").write_text(f"\n[tool.linkpolicy]\n{table}\n")

    faults = machine.faults()

    assert faults == [f"work/packages/a/pyproject.toml:3: {each}" for each in expected]


@pytest.mark.parametrize("mode", ["auto", "copy"])
def test_hackable_agrees_with_copies(machine: Machine, mode: str) -> None:
    (machine.member / "linkpolicy.toml").write_text(f'hackable = true\nlink-mode = "{mode}"\n')

    assert machine.read().link_mode.value == mode


def test_not_hackable_agrees_with_every_link_mode(machine: Machine) -> None:
    (machine.member / "linkpolicy.toml").write_text('hackable = false\nlink-mode = "hardlink"\n')

    assert machine.read().link_mode.value == "hardlink"


def test_two_files_of_settings_in_one_directory_are_a_fault(machine: Machine) -> None:
    (machine.member / "pyproject.toml").write_text("[tool.linkpolicy]\nhackable = true\n")
    (machine.member / "linkpolicy.toml").write_text("hackable = true\n")

    assert machine.faults() == [
        (
            "work/packages/a/pyproject.toml:1: [tool.linkpolicy] and "
            "`work/packages/a/linkpolicy.toml` exist; keep only one"
        )
    ]


def test_a_pyproject_without_our_table_agrees_with_a_file_of_its_own(machine: Machine) -> None:
    (machine.member / "pyproject.toml").write_text("[project]\nname = 'linkpolicy-user'\n")
    (machine.member / "linkpolicy.toml").write_text("hackable = true\n")

    assert machine.read().hackable.value == "true"


CONFIG_FAULTS = [
    pytest.param("hackable = true", "1: unknown key `hackable`; it belongs in [defaults]"),
    pytest.param("cachess = 1", "1: unknown key `cachess`; did you mean `caches`?"),
    pytest.param("defaults = 1", "1: [defaults] must be a table, not the integer 1"),
    pytest.param("caches = []", "1: [caches] must be a table, not an array"),
    pytest.param("rules = {}", "1: [[rules]] must be an array of tables, not a table"),
    pytest.param(
        'rules = [\n"x" ]', '2: [[rules]] must be a table, not the string "x"', id="rule no table"
    ),
    pytest.param(
        "[[rules]]\nhackable = true", "1: [[rules]] needs `path`, a pattern such as `~/oss/**`"
    ),
    pytest.param("[[rules]]\npath = 1", "2: `path` must be a string, not the integer 1"),
    pytest.param(
        "[[rules]]\npath = 'x/**'", '2: `path` must be absolute or begin with `~/`, not "x/**"'
    ),
    pytest.param(
        "[[rules]]\npath = '~me/x'", '2: `path` must be absolute or begin with `~/`, not "~me/x"'
    ),
    pytest.param(
        "[[rules]]\npath = '/a/../b'", '2: `path` must not contain `..` or NUL: "/a/../b"'
    ),
    pytest.param(
        "[[rules]]\npath='/a'\n[[rules]]\npath='/b'\nfallback = 'x'",
        '5: `fallback` must be one of copy, error, not "x"',
        id="second rule",
    ),
    pytest.param(
        "[defaults]\npath = '/x'", "2: unknown key `path` in [defaults]", id="path in defaults"
    ),
    pytest.param(
        "[caches]\n'mnt' = '/x'",
        '2: a file system in [caches] must be absolute or begin with `~/`, not "mnt"',
    ),
    pytest.param(
        "[caches]\n'/mnt' = 'x'",
        '2: the cache of `/mnt` must be absolute or begin with `~/`, not "x"',
    ),
    pytest.param(
        '[caches]\n"/mnt" = "/x\\u0000"',
        '2: the cache of `/mnt` must not contain `..` or NUL: "/x\\x00"',
    ),
    pytest.param(
        "[caches]\n'/mnt' = true", "2: the cache of `/mnt` must be a string, not the boolean true"
    ),
    pytest.param(
        "[caches]\n'/mnt' = '/x'\n'/mnt/' = '/y'",
        "3: `/mnt` has a cache above already",
        id="one file system twice",
    ),
    pytest.param(
        "[caches]\nseed-from = '/x'",
        '2: `seed-from` must be an array of paths, not the string "/x"',
    ),
    pytest.param(
        "[caches]\nseed-from = ['/x', 'y']",
        '2: a directory in `seed-from` must be absolute or begin with `~/`, not "y"',
    ),
    pytest.param(
        "[caches]\nseed-from = [1]",
        "2: a directory in `seed-from` must be a string, not the integer 1",
    ),
    pytest.param("[defaults]\nhackable = true\nhackable = true", "3: ", id="broken TOML"),
]


@pytest.mark.parametrize("which", ["user", "site"])
@pytest.mark.parametrize(("text", "expected"), CONFIG_FAULTS)
def test_a_config_file_is_checked_whether_rules_match_or_not(
    machine: Machine, text: str, expected: str, which: str
) -> None:
    path: Path = getattr(machine, which)
    path.write_text(text + "\n")

    (fault,) = machine.faults()

    relative = path.relative_to(machine.root)
    assert fault.startswith(f"{relative}:{expected}")
    assert fault == f"{relative}:{expected}" or expected.endswith(" ")


def test_all_faults_of_all_files_are_told_at_once(machine: Machine) -> None:
    machine.site.write_text("[defaults]\nhackable = 1\n")
    machine.user.write_text("[defaults\n")
    (machine.workspace / "pyproject.toml").write_text("[tool]\nlinkpolicy = 3\n")
    (machine.member / "pyproject.toml").mkdir()
    (machine.member / "linkpolicy.toml").write_text("a = 1\nb = 1\n")

    faults = machine.faults()

    assert [fault.partition(": ")[0] for fault in faults] == [
        "etc/linkpolicy/config.toml:2",
        "home/.config/linkpolicy/config.toml:1",
        "work/pyproject.toml:2",
        "cannot read `work/packages/a/pyproject.toml`",
        "work/packages/a/linkpolicy.toml:1",
        "work/packages/a/linkpolicy.toml:2",
    ]


def test_a_file_of_a_thousand_faults_does_not_take_forever(machine: Machine) -> None:
    (machine.member / "linkpolicy.toml").write_text(
        "\n".join(f"hackable{number} = 1" for number in range(1000))
    )

    assert len(machine.faults()) == 100


# --- who may write a file that names free paths ---


class _Owned(Host):
    """The real machine, but one file belongs to somebody else, and we may be somebody else."""

    def __init__(self, environ: dict[str, str], path: str, owner: int, *, us: int = 1000) -> None:
        super().__init__(environ=environ)
        self.uid = us
        self._path = path
        self._owner = owner

    def status(self, path: str) -> Status | None:
        status = super().status(path)
        return status.replace(uid=self._owner) if status and path == self._path else status


def test_a_user_file_of_somebody_else_is_not_used(machine: Machine) -> None:
    machine.user.write_text("[defaults]\nhackable = true\n")
    machine.host = _Owned(machine.environ, str(machine.user), 1001)

    (fault,) = machine.faults()

    assert "belongs to user 1001" in fault


def test_under_sudo_the_file_of_the_invoking_user_is_not_used(machine: Machine) -> None:
    machine.environ["SUDO_UID"] = "1000"
    machine.user.write_text("[caches]\n'/mnt' = '/home/me/cache'\n")
    machine.host = _Owned(machine.environ, str(machine.user), 1000, us=0)

    (fault,) = machine.faults()

    assert "is not used" in fault


@pytest.mark.parametrize("owner", [0, 1000])
def test_a_user_file_of_ours_or_of_root_is_used(machine: Machine, owner: int) -> None:
    machine.user.write_text("[defaults]\nhackable = true\n")
    machine.host = _Owned(machine.environ, str(machine.user), owner)

    assert machine.read().hackable.value == "true"


def test_the_owner_of_a_machine_file_does_not_matter(machine: Machine) -> None:
    machine.site.write_text("[defaults]\nhackable = true\n")
    machine.host = _Owned(machine.environ, str(machine.site), 65534)

    assert machine.read().hackable.value == "true"


def test_the_owner_of_a_project_file_does_not_matter(machine: Machine) -> None:
    path = machine.member / "linkpolicy.toml"
    path.write_text("hackable = true\n")
    path.chmod(0o666)
    machine.host = _Owned(machine.environ, str(path), 4711)

    assert machine.read().hackable.value == "true"


@pytest.mark.parametrize("which", ["user", "site"])
def test_a_config_that_everybody_can_write_is_not_used(machine: Machine, which: str) -> None:
    path: Path = getattr(machine, which)
    path.write_text("[defaults]\nhackable = true\n")
    path.chmod(0o666)

    (fault,) = machine.faults()

    assert "everyone can write to it" in fault


def test_a_group_may_write_the_user_file(machine: Machine) -> None:
    machine.user.write_text("[defaults]\nhackable = true\n")
    machine.user.chmod(0o664)

    assert machine.read().hackable.value == "true"


def test_a_relative_home_has_no_settings(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.user.write_text("[defaults]\nhackable = true\n")
    monkeypatch.chdir(machine.root)
    machine.environ["HOME"] = "home"

    assert machine.read().hackable.value == "false"


@pytest.mark.parametrize("which", ["user", "site"])
def test_a_config_that_cannot_be_examined_is_a_fault(machine: Machine, which: str) -> None:
    path: Path = getattr(machine, which)
    path.symlink_to(path)

    (fault,) = machine.faults()

    assert fault.startswith("cannot read")


# --- speed ---


def test_a_pyproject_that_does_not_name_us_is_not_parsed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.member / "pyproject.toml").write_text("this is not TOML")

    def never(text: str) -> dict[str, object]:
        raise AssertionError(text)

    monkeypatch.setattr(toml_file, "_loads", never)

    assert machine.read() == Settings()


def test_without_files_nothing_slow_is_imported() -> None:
    slow = ("re", "tomli", "tomllib", "difflib", "typing", "enum", "dataclasses", "json", "pathlib")
    program = f"""
import sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(uvx_policy.__file__))!r})
from uvx_policy.host import Host
from uvx_policy.settings.reader import read_settings
host = Host(environ={{"HOME": "/nowhere"}})
read_settings(host, project="/nowhere/p", workspace="/nowhere", place="")
print(*(name for name in {slow!r} if name in sys.modules))
"""
    run = subprocess.run(
        [sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=True
    )

    assert run.stdout.split() == []
