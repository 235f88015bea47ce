"""The part of `os` that it takes to become the real uv, replays included, without importing `os`.

That import is mostly the abstract classes behind `os.environ`, and takes a fifth of what it takes
to start Python (benchmarks/README.md): `uv --version` need not wait for it. Where `os` is loaded
already, and on Windows, `minimal_os.os` is `os` itself.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING or sys.platform == "win32" or "os" in sys.modules:
    import os as os  # noqa: PLC0414 (this is what others import from here)
else:
    import posix

    _TYPE, _FILE, _DIRECTORY = 0o170000, 0o100000, 0o040000  # inode(7)
    _ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

    def _decode(data: bytes) -> str:
        return data.decode(_ENCODING, _ERRORS)

    class _Environ(dict):
        """As `os.environ`: what is changed here is changed for what this process becomes."""

        def __setitem__(self, name, value):
            posix.putenv(name, value)
            dict.__setitem__(self, name, value)

        def __delitem__(self, name):
            dict.__delitem__(self, name)
            posix.unsetenv(name)

        def pop(self, name):
            value = self[name]
            del self[name]
            return value

        def update(self, values):
            for name in values:
                self[name] = values[name]

    def _type(path):
        try:
            return posix.stat(path).st_mode & _TYPE
        except (OSError, ValueError):
            return 0

    class _Path:
        """As `os.path` of POSIX."""

        @staticmethod
        def join(path, *names):
            for name in names:
                if name.startswith("/") or not path:
                    path = name
                else:
                    path = f"{path}{name}" if path.endswith("/") else f"{path}/{name}"
            return path

        @staticmethod
        def dirname(path):
            head = path[: path.rfind("/") + 1]
            return head.rstrip("/") or head

        @staticmethod
        def basename(path):
            return path[path.rfind("/") + 1 :]

        @staticmethod
        def isfile(path):
            return _type(path) == _FILE

        @staticmethod
        def isdir(path):
            return _type(path) == _DIRECTORY

        @staticmethod
        def abspath(path):
            if path.startswith("/") and "//" not in path and "/." not in path and path[-1:] != "/":
                return path
            from os.path import abspath

            return abspath(path)

    class _Posix(type):
        def __getattr__(cls, name):
            return getattr(posix, name)

    class os(metaclass=_Posix):  # noqa: N801 (it stands for the module)
        """What `os` has itself; all else is of `posix`, where `os` takes it from as well."""

        name, pathsep, defpath, SEEK_END = "posix", ":", "/bin:/usr/bin", 2
        environ = _Environ({_decode(name): _decode(posix.environ[name]) for name in posix.environ})
        path = _Path

        @staticmethod
        def fsencode(text):
            """Bytes of a `str`, surrogates as the bytes that they stand for."""
            return text if isinstance(text, bytes) else text.encode(_ENCODING, _ERRORS)

        @staticmethod
        def fsdecode(data):
            """The reverse."""
            return data if isinstance(data, str) else _decode(data)
