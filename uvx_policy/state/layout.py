"""Every directory and file that we own, declared once.

The rules for our three directories are those of platformdirs, which reads `os.environ` alone and
costs more to import than Python does to start; `tests/unit/test_layout.py` holds the two equal.
"""

from __future__ import annotations

APP = "linkpolicy"
#: name of the table in pyproject.toml, below [tool]
TABLE = "linkpolicy"
#: settings file of a directory without pyproject.toml
PROJECT_FILE = "linkpolicy.toml"
#: settings file of the user and of the machine
CONFIG_FILE = "config.toml"
#: cache directory beside a project's pyproject.toml, for `cache = "project"`
PROJECT_CACHE = ".uv-cache"
#: beside native shims: the directory of the Python shims that they fall back to; beside Python
#: shims: of what stands in for their interpreter
SHIM_FALLBACKS = ".linkpolicy"
#: what `linkpolicy setup` did; a file in the state directory itself
SETUP_RECORD = "setup.json"


class Store:
    """One kind of file in a directory below the state directory: private (0600 in 0700), ours."""

    # No `Value`: eight of them would take a replay longer than all else in here.
    def __init__(
        self,
        directory: str,
        *,
        prefix: str = "",
        longest: int = 0,
        most: int = 0,
        is_users: bool = False,
    ) -> None:
        self.directory = directory
        #: how their names start
        self.prefix = prefix
        #: bytes of one file; a longer one is not read
        self.longest = longest
        #: files of this kind; beyond it those go first that were written longest ago. 0: no limit
        self.most = most
        #: the user's own work is in them: `uninstall` keeps them, and says where they are
        self.is_users = is_users


#: decisions to replay (`replay.records`); the launcher knows directory and length as well
DECISIONS = Store("decisions", longest=262_144, most=512)
#: facts that are expensive to compute (`state.facts`); `most` of each kind
FACTS = Store("remembered", longest=65_536, most=128)
#: environments that a decision was made for (`state.register`): four of the longest paths of Linux
ENVIRONMENTS = Store("environments", prefix="environment-", longest=20_480, most=4096)
#: what `status` counted in them (`installed.survey_store`)
SURVEYS = Store("surveys", prefix="survey-", longest=262_144, most=4096)
#: what they looked like when nothing was left to save in them (`installed.settled`)
SETTLED = Store("settled", prefix="settled-", longest=4096, most=4096)
#: all of `ENVIRONMENTS` in one file (`state.register`)
REGISTER = Store("register", prefix="all", longest=16 << 20)
#: which files were verified (`verify.verified`): about a million in one environment or cache
VERIFIED = Store("verified", prefix="verified-", longest=16 << 20, most=512)
#: where files lie on disks whose blocks can be shared (`reclaim.remembered`): two million
RECLAIMED = Store("reclaimed", prefix="places", longest=32 << 20)
#: what a repair that is under way is about (`repair.unfinished`)
REPAIRS = Store("repairs", prefix="repair-", longest=64 << 20)
#: tracebacks of checks that failed themselves (`doctor.crash_log`)
CRASHES = Store("doctor", longest=262_144)
#: terminal sessions that were told that linkpolicy is gone; the shims write it themselves
TOLD = Store("told", longest=64)
#: edits that a repair replaced (`repair.backup`): a directory for each repair
EDITS = Store("edits", is_users=True)

STORES = (
    DECISIONS,
    FACTS,
    ENVIRONMENTS,
    SURVEYS,
    SETTLED,
    REGISTER,
    VERIFIED,
    RECLAIMED,
    REPAIRS,
    CRASHES,
    TOLD,
    EDITS,
)


def device_cache_name(user: str) -> str:
    """Name of our cache directory on a device, one for each user (`Host.user`)."""
    return f"{PROJECT_CACHE}-{user}"


def config_home(environ: dict[str, str], platform: str) -> str:
    """Directory of the user's config.toml; "" when HOME is not known."""
    return _user_directory(environ, platform, "XDG_CONFIG_HOME", ".config")


def state_home(environ: dict[str, str], platform: str) -> str:
    """Directory for what we remember; "" when HOME is not known."""
    return _user_directory(environ, platform, "XDG_STATE_HOME", ".local/state")


def data_home(environ: dict[str, str], platform: str) -> str:
    """Directory for what we install (the shims); "" when HOME is not known."""
    return _user_directory(environ, platform, "XDG_DATA_HOME", ".local/share")


def machine_config_homes(environ: dict[str, str], platform: str) -> tuple[str, ...]:
    """Directories of the machine's config.toml, most important first."""
    if platform == "win32":
        return (_below(environ.get("PROGRAMDATA") or "C:\\ProgramData", APP),)
    listed = environ.get("XDG_CONFIG_DIRS", "").split(":")
    found = tuple(_below(part, APP) for part in listed if part.startswith("/"))
    built_in = "/Library/Application Support" if platform == "darwin" else "/etc/xdg"
    return found or (f"{built_in}/{APP}",)


def shim_directory(environ: dict[str, str], platform: str) -> str:
    """Where `linkpolicy setup` puts `uv` and `uvx` unless told otherwise."""
    return _below(data_home(environ, platform), "shims")


def home(environ: dict[str, str], platform: str) -> str:
    """The user's home directory; "" when it is not known."""
    if platform == "win32":
        return environ.get("USERPROFILE", "")
    if environ.get("HOME"):
        return environ["HOME"]
    try:
        # Like uv and every shell: without HOME the passwd entry counts.
        import os
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError, AttributeError):
        return ""


def _user_directory(environ: dict[str, str], platform: str, variable: str, below_home: str) -> str:
    base = home(environ, platform)
    if platform == "win32":
        local = environ.get("LOCALAPPDATA") or (base and f"{base}\\AppData\\Local")
        return _below(local, APP)
    # The XDG specification: a relative path is to be ignored.
    if environ.get(variable, "").startswith("/"):
        return _below(environ[variable], APP)
    if platform == "darwin":
        below_home = "Library/Application Support"
    return _below(base, below_home, APP)


def _below(base: str, *parts: str) -> str:
    separator = "\\" if "\\" in base else "/"
    return separator.join((base.rstrip("/\\"), *parts)) if base else ""
