"""`linkpolicy status --openmetrics`: gauges for node_exporter's textfile collector.

The text is OpenMetrics 1.0, and the older text format of Prometheus as well, which that collector
reads: no timestamps, and nothing but gauges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.status.row import Total, Where

#: attribute of a `Total` -> what it means
GAUGES = {
    "environments": "Known environments on the file system.",
    "files": "Files of these environments.",
    "shared_bytes": "Bytes that the environments share, each file once.",
    "private_bytes": "Bytes that only one environment uses.",
    "save_bytes": "Private bytes that could be shared, at most.",
    "edited_files": "Installed files that were edited.",
}


def lines(totals: Sequence[Total]) -> Iterator[str]:
    """One gauge after the other, with a sample for each file system; the last line is `# EOF`."""
    for name, meaning in GAUGES.items():
        metric = f"linkpolicy_{name}"
        yield f"# HELP {metric} {meaning}"
        yield f"# TYPE {metric} gauge"
        yield from (f"{metric}{_labels(each.where)} {getattr(each, name)}" for each in totals)
    yield "# EOF"


def _labels(where: Where) -> str:
    """`mountpoint` and `fstype` are called as in node_exporter's own metrics, to join with them."""
    device, point, kind = map(_escaped, (where.device, where.mount_point, where.file_system))
    return f'{{device="{device}",mountpoint="{point}",fstype="{kind}"}}'


def _escaped(text: str) -> str:
    """A label's value: a backslash, a quote and a line feed are escaped, as both formats say.

    What else does not print is written as `safe` writes it: bytes that are not UTF-8 could not be
    written, and a terminal may be what shows it.
    """
    text = "\n".join(map(safe, text.split("\n")))
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
