"""Private directories, what killed processes left in them, and whom root works for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ordinary_user import UID, only_root
from uvx_policy.caches import contents
from uvx_policy.filesystem.probe import HIDDEN
from uvx_policy.installed.hash import of_pieces
from uvx_policy.replace import foreign
from uvx_policy.replace.foreign import Foreign
from uvx_policy.replace.place import Place
from uvx_policy.replace.shop import PREFIX, Shop, clean_up, is_in_shop

LIVING = """
import sys
from uvx_policy.caches import contents
from uvx_policy.filesystem.probe import HIDDEN
from uvx_policy.installed.hash import of_pieces
from uvx_policy.replace.shop import Shop
with Shop(sys.argv[1]) as shop:
    shop.may_go(of_pieces([b"ours"], "sha256"))
    print(shop.path, flush=True)
    sys.stdin.readline()
"""


def refuse(place: Place, _: str) -> None:
    raise AssertionError(place.path)


def test_a_shop_of_somebody_who_lives_is_left(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LIVING, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as living:
        assert living.stdout is not None
        shop = Path(os.fsdecode(living.stdout.readline().rstrip()))
        (shop / "new-1").write_text("an edit")
        clean_up(str(tmp_path), refuse)
        assert (shop / "new-1").exists()
        living.kill()
    rescued = []

    clean_up(str(tmp_path), lambda place, _: rescued.append(Path(place.path).read_text()))

    assert rescued == ["an edit"]
    assert list(tmp_path.iterdir()) == []


def left(tmp_path: Path, files: dict[str, str]) -> Path:
    """What a killed process left."""
    shop = tmp_path / f"{PREFIX}abc"
    shop.mkdir(mode=0o700)
    for name, content in files.items():
        (shop / name).write_text(content)
    return shop


def test_only_what_is_not_known_to_be_ours_is_rescued(tmp_path: Path) -> None:
    known = of_pieces([b"ours"], "sha256")
    files = {"known": f"{known}\n", "new-1": "ours", "new-2": "an edit", "part-3": "half of o"}
    shop = left(tmp_path, files)
    (shop / "new-4").symlink_to("/somewhere")
    assert is_in_shop(str(shop / "new-2"))
    rescued = []

    clean_up(str(tmp_path), lambda place, path: rescued.append((place.name, path)))

    assert rescued == [("new-2", str(shop))]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_rescued_stays(tmp_path: Path) -> None:
    shop = left(tmp_path, {"new-1": "an edit"})

    def full(place: Place, _: str) -> None:
        raise OSError(28, "No space left on device", place.path)

    clean_up(str(tmp_path), full)

    assert (shop / "new-1").read_text() == "an edit"


def test_what_a_killed_probe_left_is_removed_and_is_no_stranger_in_a_cache(tmp_path: Path) -> None:
    left, living = tmp_path / f"{HIDDEN}1", tmp_path / f"{HIDDEN}2"
    for path in (left, living):
        path.touch()
    os.utime(left, (1, 1))
    assert contents.foreign([left.name, f"{PREFIX}abc", "mine"]) == ("mine",)

    clean_up(str(tmp_path), refuse)

    assert list(tmp_path.iterdir()) == [living]


def test_nothing_else_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / ".tmpAbC").mkdir()
    (tmp_path / f"{PREFIX}file").touch()

    clean_up(str(tmp_path), refuse)
    clean_up(str(tmp_path / "nowhere"), refuse)

    assert len(list(tmp_path.iterdir())) == 2


def test_what_was_not_thrown_away_outlives_its_shop(tmp_path: Path) -> None:
    with Shop(str(tmp_path)) as shop:
        Path(shop.path, "new-1").write_text("an edit")

    assert Path(shop.path, "new-1").read_text() == "an edit"


# Root ---------------------------------------------------------------------------------------------


def of_another_user(path: Path) -> None:
    os.chown(path, UID, UID)


def for_everybody(path: Path) -> None:
    path.chmod(0o777)


def for_a_group(path: Path) -> None:
    path.chmod(0o775)


@only_root
@pytest.mark.parametrize("change", [of_another_user, for_everybody, for_a_group])
def test_root_does_not_work_where_others_can_rename(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o755)
    Shop(str(place)).close()
    change(place)

    with pytest.raises(Foreign):
        Shop(str(place))

    assert list(place.iterdir()) == []
    assert foreign.owner_of(str(place)) == (UID if change is of_another_user else 0)
