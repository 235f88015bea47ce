"""Requirements as people write them (PEP 508), and which versions they take (PEP 440). Pure.

Just far enough to know which of the versions in a cache are meant: what is not understood takes
all of them. Markers are not evaluated, but for the extras they name.
"""

from __future__ import annotations

import re

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    #: compares as PEP 440 says
    Order = tuple[int, tuple[int, ...], tuple[tuple[int, int], ...]]

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*)", re.DOTALL
)
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']*)["']|["']([^"']*)["']\s*==\s*extra""")
_CLAUSE = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*([^\s,;()]+)\s*$")
_VERSION = re.compile(
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)"
    r"(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?"
    r"(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?"
    r"(?:[-_.]?(dev)[-_.]?(\d*))?"
    r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$",
    re.IGNORECASE,
)
_PRE = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
#: parts of `Order` between the release and the end: what comes before a release, and after it
_DEV, _PLAIN, _POST = -1, 3, 4
#: version -> its order, once it is known
_orders: dict[str, Order | None] = {}


class Requirement(Value):
    """One requirement for a distribution of an index."""

    #: normalized
    name: str
    extras: frozenset[str] = frozenset()
    #: such as `>=1,<2`, "" for any
    specifier: str = ""
    #: it holds only where one of these extras was asked for; none: always
    if_extras: frozenset[str] = frozenset()
    #: it holds only where something else is so, too
    is_conditional: bool = False

    @classmethod
    def parse(cls, text: str) -> Requirement | None:
        """`None` for a URL, a path, and what is none."""
        head, semicolon, marker = text.partition(";")
        fits = _REQUIREMENT.fullmatch(head)
        if fits is None:
            return None
        name, extras, rest = fits.groups()
        specifier = rest.strip().removeprefix("(").removesuffix(")").strip()
        if specifier and not all(_CLAUSE.match(each) for each in specifier.split(",") if each):
            return None
        if_extras = frozenset(normalized(one or other) for one, other in _EXTRA.findall(marker))
        return cls(
            name=normalized(name),
            extras=frozenset(normalized(each) for each in (extras or "").split(",") if each),
            specifier=specifier,
            if_extras=if_extras,
            is_conditional=bool(semicolon),
        )


def normalized(name: str) -> str:
    """`Foo_Bar` and `foo.bar` are `foo-bar` (PEP 503)."""
    parts = name.strip().lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(filter(None, parts))


def newest(versions: Iterable[str], specifiers: Iterable[str]) -> str:
    """The version that these specifiers take together, "" when they take none of them.

    One before a release (`2.0rc1`) only where no other will do, or a specifier names such a one.
    """
    wanted = [each for each in specifiers if each]
    taken = [version for version in versions if all(takes(each, version) for each in wanted)]
    final = [version for version in taken if not is_before_release(version)]
    names_one = any(is_before_release(word) for each in wanted for word in _named(each))
    return max(final if final and not names_one else taken, key=_sortable, default="")


def takes(specifier: str, version: str) -> bool:
    """Does a specifier take this version? What is not understood takes all."""
    order = order_of(version)
    return order is None or all(
        _clause_takes(each, version, order) for each in specifier.split(",") if each.strip()
    )


def is_before_release(version: str) -> bool:
    """Is it `2.0rc1` or `2.0.dev3`?"""
    order = order_of(version)
    return order is not None and order[2][0][0] < _PLAIN


def order_of(version: str) -> Order | None:
    """Something that compares as versions do, `None` for what is none."""
    if version not in _orders:
        _orders[version] = _order_of(version)
    return _orders[version]


def _order_of(version: str) -> Order | None:
    fits = _VERSION.fullmatch(version)
    if fits is None:
        return None
    epoch, release, pre, pre_number, post_short, post, post_number, dev, dev_number = fits.groups()
    numbers = [int(part) for part in release.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    is_post = post is not None or post_short is not None
    steps: list[tuple[int, int]] = []
    if pre is not None:
        steps.append((_PRE[pre.lower()], int(pre_number or 0)))
    elif dev is None or is_post:
        steps.append((_PLAIN, 0))
    if is_post:
        steps.append((_POST, int(post_short or post_number or 0)))
    steps.append((_DEV, int(dev_number or 0)) if dev is not None else (_PLAIN, 0))
    return int(epoch or 0), tuple(numbers), tuple(steps)


def _sortable(version: str) -> tuple[bool, Order, str]:
    order = order_of(version)
    return order is not None, order or (0, (), ()), version


def _named(specifier: str) -> list[str]:
    clauses = [_CLAUSE.match(each) for each in specifier.split(",")]
    return [fits[2] for fits in clauses if fits]


def _clause_takes(clause: str, version: str, order: Order) -> bool:
    fits = _CLAUSE.match(clause)
    if fits is None:
        return True
    operator, text = fits.groups()
    if operator == "===":
        return text == version
    if text.endswith(".*"):
        starts = _starts(order, text.removesuffix(".*"))
        return starts if operator == "==" else not starts if operator == "!=" else True
    bound = order_of(text)
    if bound is None:
        return True
    if operator == "~=":
        return order >= bound and _starts(order, text.rpartition(".")[0])
    return {
        "==": order == bound,
        "!=": order != bound,
        "<=": order <= bound,
        ">=": order >= bound,
        # `<2` takes no `2.0rc1`, `>1.7` no `1.7.post1`
        "<": order < bound and not (order[:2] == bound[:2] and bound[2][0][0] == _PLAIN),
        ">": order > bound and not (order[:2] == bound[:2] and bound[2][0][0] == _PLAIN),
    }[operator]


def _starts(order: Order, prefix: str) -> bool:
    start = order_of(prefix)
    if start is None:
        return True
    wanted = [int(part) for part in prefix.rpartition("!")[2].lstrip("v").split(".") if part]
    numbers = [*order[1], *[0] * len(wanted)]
    return order[0] == start[0] and numbers[: len(wanted)] == wanted
