"""The little of `os` that it takes to become the real uv, without importing `os`.

That import is mostly the abstract classes behind `os.environ`, and takes a fifth of what it takes
to start Python (benchmarks/README.md): `uv --version` need not wait for it. Where `os` is loaded
already, and on Windows, `small_os.os` is `os` itself.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING or sys.platform == "win32" or "os" in sys.modules:
    import os as os  # noqa: PLC0414 (this is what others import from here)
else:
    import posix

    _TYPE, _FILE = 0o170000, 0o100000  # inode(7)
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

    class _Path:
        """As `os.path` of POSIX."""

        @staticmethod
        def join(directory, name):
            """`directory` is not empty, `name` not absolute."""
            return f"{directory}{name}" if directory.endswith("/") else f"{directory}/{name}"

        @staticmethod
        def basename(path):
            return path[path.rfind("/") + 1 :]

        @staticmethod
        def isfile(path):
            try:
                return posix.stat(path).st_mode & _TYPE == _FILE
            except (OSError, ValueError):
                return False

        @staticmethod
        def abspath(path):
            if path.startswith("/") and "//" not in path and "/." not in path and path[-1:] != "/":
                return path
            from os.path import abspath

            return abspath(path)

    class os:  # noqa: N801 (it stands for the module)
        """The names of `os` that `shim`, `guard`, `launch` and `locate` use."""

        name, pathsep, defpath = "posix", ":", "/bin:/usr/bin"
        X_OK, SEEK_END = posix.X_OK, 2
        access, stat, execv = posix.access, posix.stat, posix.execv
        getcwd, getpid, getppid = posix.getcwd, posix.getpid, posix.getppid
        environ = _Environ({_decode(name): _decode(posix.environ[name]) for name in posix.environ})
        path = _Path

        @staticmethod
        def fsencode(text):
            """Bytes of a `str`, surrogates as the bytes that they stand for."""
            return text.encode(_ENCODING, _ERRORS)
