from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from uvx_policy.errors import ConfigError
from uvx_policy.host import Host
from uvx_policy.model import Origin
from uvx_policy.settings.reader import KEYS, Setting, Settings, merge, read_settings

if TYPE_CHECKING:
    from pathlib import Path

# --- merging ---

_tables = st.builds(
    lambda layer, values: {
        name: Setting(
            value=value, origin=Origin(kind="file", name=f"layer-{layer}", line=1), layer=layer
        )
        for name, value in values.items()
    },
    st.integers(1, 8),
    st.fixed_dictionaries(
        {},
        optional={key.name: st.sampled_from(key.allowed) for key in KEYS},
    ),
)


@given(st.lists(_tables, max_size=6))
def test_the_more_specific_layer_wins_whatever_the_order(tables: list[dict[str, Setting]]) -> None:
    chosen = merge(tables)

    for name in {name for table in tables for name in table}:
        rivals = [table[name] for table in tables if name in table]
        highest = max(rival.layer for rival in rivals)
        assert chosen[name] == [rival for rival in rivals if rival.layer == highest][-1]
    assert chosen.keys() == {name for table in tables for name in table}


@given(st.lists(_tables, max_size=5), _tables)
def test_one_more_table_never_lets_a_less_specific_one_win(
    tables: list[dict[str, Setting]], more: dict[str, Setting]
) -> None:
    before, after = merge(tables), merge([*tables, more])

    for name, setting in after.items():
        assert setting in (before.get(name), more.get(name))
        if name in before:
            assert setting.layer >= before[name].layer


# --- arbitrary files ---

_text = st.text(st.characters(codec="utf-8"), max_size=6)
_keys = st.one_of(
    st.sampled_from([
        *(key.name for key in KEYS),
        *("defaults", "caches", "rules", "path", "tool", "linkpolicy", "/mnt", "~"),
    ]),
    _text,
)  # fmt: skip
_words = sorted(
    {"reflink", "/x", "~/x", "~", "/**", "../x", *(v for key in KEYS for v in key.allowed)}
)
_scalars = st.one_of(
    st.sampled_from(_words),
    _text,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.dates(),
    st.times(),
    st.datetimes(),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=8,
)
_tables_of_anything = st.dictionaries(_keys, _values, max_size=5)


def _near(values: st.SearchStrategy[Any], **extra: st.SearchStrategy[Any]) -> Any:
    """Make a table that is often right, so that more than the first fault is reached."""
    good = {
        key.name: st.booleans() if key.is_boolean else st.sampled_from(key.allowed) for key in KEYS
    }
    return st.fixed_dictionaries({}, optional={**good, **extra}) | values


_configs = (
    st.fixed_dictionaries(
        {},
        optional={
            "defaults": _near(_values),
            "caches": st.dictionaries(st.just("/mnt") | _keys, st.just("/c") | _scalars, max_size=3)
            | _values,
            "rules": st.lists(
                _near(_values, path=st.sampled_from(["/**", "~/**", "/x", "x"]) | _values),
                max_size=3,
            )
            | _values,
        },
    )
    | _tables_of_anything
)


def _well_formed(settings: Settings) -> None:
    for key in KEYS:
        setting = getattr(settings, key.field)
        assert setting.value in key.allowed
        assert (setting.layer == 0) == (setting.origin.kind == "default")
        assert setting.layer == 0 or setting.origin.line > 0
    for entry in settings.caches:
        assert entry.filesystem.startswith("/")
        assert entry.directory.startswith("/")


def _tells(error: ConfigError, root: Path) -> None:
    assert error.faults
    for fault in error.faults:
        assert str(root) in str(fault)
        assert str(fault).isprintable()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("settings").resolve()
    for path in ("home/.config/linkpolicy", "etc/linkpolicy", "work/a"):
        (root / path).mkdir(parents=True)
    return root


@given(
    user=_configs,
    machine=_configs,
    project=_near(_values),
    alone=_near(_tables_of_anything) | st.none(),
    beside=st.booleans(),
)
def test_reading_gives_settings_or_faults_for_every_toml_value(
    root: Path,
    user: dict[str, Any],
    machine: dict[str, Any],
    project: Any,
    alone: dict[str, Any] | None,
    beside: bool,
) -> None:
    work = root / "work"
    _write(root / "home/.config/linkpolicy/config.toml", user)
    _write(root / "etc/linkpolicy/config.toml", machine)
    _write(work / "pyproject.toml", {"tool": {"linkpolicy": project}})
    _write(work / "linkpolicy.toml" if beside else work / "a" / "linkpolicy.toml", alone)
    host = Host(environ={"HOME": str(root / "home"), "XDG_CONFIG_DIRS": str(root / "etc")})

    try:
        settings = read_settings(host, project=str(work / "a"), workspace=str(work), place="")
    except ConfigError as error:
        _tells(error, root)
    else:
        assert not (beside and alone is not None)
        _well_formed(settings)
    finally:
        for path in (work / "linkpolicy.toml", work / "a" / "linkpolicy.toml"):
            path.unlink(missing_ok=True)


@given(
    st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_reading_gives_settings_or_faults_for_any_bytes(root: Path, content: bytes) -> None:
    directory = root / "bytes"
    os.makedirs(directory, exist_ok=True)
    (directory / "linkpolicy.toml").write_bytes(content)
    host = Host(environ={"HOME": str(root / "nobody")})

    try:
        settings = read_settings(host, project=str(directory), workspace="", place="")
    except ConfigError as error:
        _tells(error, root)
    else:
        _well_formed(settings)


def _write(path: Path, data: dict[str, Any] | None) -> None:
    if data is not None:
        path.write_text(tomlkit.dumps(data), encoding="utf-8")
