"""A RECORD of which single rows are put back."""

from __future__ import annotations

import pytest

from uvx_policy.installed.hash import Hash
from uvx_policy.installed.record import Row, corrected

RIGHT = Row("pkg/a.py", Hash("sha256", "right"), 7)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("pkg/a.py,sha256=x,1\n", "pkg/a.py,sha256=right,7\n", id="plain"),
        pytest.param("pkg/a.py,sha256=x,1\r\n", "pkg/a.py,sha256=right,7\r\n", id="CRLF"),
        pytest.param("pkg/a.py,sha256=x,1", "pkg/a.py,sha256=right,7", id="no newline"),
        pytest.param('"pkg/a.py",sha256=x,1\n', "pkg/a.py,sha256=right,7\n", id="quoted"),
        pytest.param("./pkg//a.py,sha256=x,1\n", "./pkg//a.py,sha256=right,7\n", id="odd path"),
        pytest.param("pkg/b.py,sha256=x,1\n", "pkg/b.py,sha256=x,1\n", id="another file"),
        pytest.param("\n\0,\n", "\n\0,\n", id="damage"),
        pytest.param('"a\nb",sha256=x,1\n', '"a\nb",sha256=x,1\n', id="several lines"),
    ],
)
def test_only_its_row_is_put_back(before: str, after: str) -> None:
    text = f"first,,\n{before}"

    found = corrected(text.encode(), "/site", {"/site/pkg/a.py": RIGHT})

    assert found == f"first,,\n{after}".encode()


def test_a_name_with_a_comma_stays_quoted() -> None:
    told = corrected(b'"a,b",sha256=x,1\n', "/site", {"/site/a,b": RIGHT})

    assert told == b'"a,b",sha256=right,7\n'
