"""`status --openmetrics` as Prometheus reads it: with the parsers of its own client library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as as_openmetrics
from prometheus_client.parser import text_string_to_metric_families as as_text_format

from tests.status.test_command import make_environment, remember, state
from tests.status.test_table import row, totals
from tests.test_docs import first_column, reference
from uvx_policy.status import openmetrics
from uvx_policy.status.openmetrics import GAUGES
from uvx_policy.status.row import Where

__all__ = ("state",)

PARSERS = pytest.mark.parametrize("parse", [as_openmetrics, as_text_format])


def samples(text: str, parse: Any) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Metric -> its labels and values; every metric is a gauge that says what it means."""
    found = {}
    for family in parse(text):
        assert family.type == "gauge"
        assert family.documentation
        found[family.name] = [(each.labels, each.value) for each in family.samples]
    return found


def text_for(*mount_points: str) -> str:
    every = [
        total
        for number, point in enumerate(mount_points)
        for total in totals(
            row(
                where=Where(device=f"8:{number}", mount_point=point, file_system="ext4"),
                save_bytes=number * 7, edited_files=number,
            )
        )
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in openmetrics.lines(every))


@PARSERS
def test_every_file_system_has_a_sample_of_every_metric(parse: Any) -> None:
    found = samples(text_for("/", "/mnt/data"), parse)

    assert set(found) == {f"linkpolicy_{name}" for name in GAUGES}
    for several in found.values():
        assert [labels for labels, _ in several] == [
            {"device": "8:0", "mountpoint": "/", "fstype": "ext4"},
            {"device": "8:1", "mountpoint": "/mnt/data", "fstype": "ext4"},
        ]
    values = {name: [value for _, value in several] for name, several in found.items()}
    assert values == {
        "linkpolicy_environments": [1, 1],
        "linkpolicy_files": [1234, 1234],
        "linkpolicy_shared_bytes": [309_000_000] * 2,
        "linkpolicy_private_bytes": [4_100_000] * 2,
        "linkpolicy_save_bytes": [0, 7],
        "linkpolicy_edited_files": [0, 1],
    }


@PARSERS
@pytest.mark.parametrize(
    ("point", "label"),
    [
        ("/a b", "/a b"),
        ('/"} 1', '/"} 1'),
        ("/back\\slash\\", "/back\\slash\\"),
        ("/two\n# EOF\nlines", "/two\n# EOF\nlines"),
        ("/\x1b[31mred", r"/\x1b[31mred"),
        ("/caf\udce9", r"/caf\xe9"),
        ("/日本", "/日本"),
    ],
)
def test_a_hostile_mount_point_is_one_label(parse: Any, point: str, label: str) -> None:
    text = text_for(point, "/")
    text.encode("utf-8")
    found = samples(text, parse)

    assert [labels["mountpoint"] for labels, _ in found["linkpolicy_files"]] == [label, "/"]
    assert len(found) == len(GAUGES)


@PARSERS
def test_without_environments_there_are_no_samples(parse: Any) -> None:
    text = text_for()

    assert [name for name, several in samples(text, parse).items() if several] == []
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_is_what_status_says(tmp_path: Path, state: str, encoding: str) -> None:
    for name, packages in (("a", 2), ("b", 3)):
        remember(state, make_environment(tmp_path / name, packages=packages))
    done = subprocess.run(
        [sys.executable, "-m", "uvx_policy.cli", "status", "--openmetrics"],
        env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False,
    )  # fmt: skip
    found = samples(done.stdout.decode("utf-8"), as_openmetrics)

    assert (done.returncode, done.stderr) == (0, b"")
    ((labels, environments),) = found["linkpolicy_environments"]
    assert environments == 2
    assert labels["mountpoint"] == "/" or str(tmp_path).startswith(labels["mountpoint"])
    assert found["linkpolicy_private_bytes"][0][1] >= 5 * 5000
    assert all(len(several) == 1 for several in found.values())


def test_every_metric_and_label_is_documented_and_no_other() -> None:
    text = reference("status-openmetrics")
    metrics, _, labels = text.partition("\n| label |")

    assert first_column(metrics) == [f"linkpolicy_{name}" for name in GAUGES]
    ((sample, _),) = samples(text_for("/"), as_openmetrics)["linkpolicy_files"]
    assert first_column(labels) == list(sample)
