"""`Value`: the frozen, keyword-only value type of the hot path.

Why not `dataclasses` or `typing.NamedTuple`: importing either costs more than a bare interpreter
start (10 to 15 ms, `benchmarks/`), and the shim runs hundreds of times a day.
For a type checker a `Value` *is* a frozen, keyword-only dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self, dataclass_transform

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    class Value:
        """See the module."""

        def replace(self, **changes: Any) -> Self: ...
        def as_dict(self) -> dict[str, Any]: ...

else:

    class Value:
        """Fields are the annotated names of the class body, in order, with optional defaults."""

        _fields = ()

        def __init_subclass__(cls):
            cls._fields = (*cls._fields, *cls.__dict__.get("__annotations__", ()))

        def __init__(self, **values):
            fields = self.__dict__
            for name in self._fields:
                if name in values:
                    fields[name] = values.pop(name)
                elif not hasattr(type(self), name):
                    raise TypeError(f"{type(self).__name__}: missing field {name!r}")
            if values:
                raise TypeError(f"{type(self).__name__}: unknown fields {sorted(values)}")

        def __setattr__(self, name, value):
            raise AttributeError(f"{type(self).__name__}.{name} is frozen")

        def __delattr__(self, name):
            raise AttributeError(f"{type(self).__name__}.{name} is frozen")

        def as_dict(self):
            return {name: getattr(self, name) for name in self._fields}

        def replace(self, **changes):
            return type(self)(**{**self.as_dict(), **changes})

        def __eq__(self, other):
            return type(self) is type(other) and self.as_dict() == other.as_dict()

        def __hash__(self):
            return hash(tuple(self.as_dict().values()))

        def __repr__(self):
            inside = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
            return f"{type(self).__name__}({inside})"
