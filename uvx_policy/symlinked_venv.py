"""Keep a symbolic link at `.venv`, on every uv version (uv #14670). Pure.

What uv does by itself, measured on nine versions:

- a dangling link: `uv sync` and `uv venv` fail with "File exists";
- `sync`, `add` ... that have to recreate the environment replace the link by a directory and,
  from 0.8 on, empty its target first (until 0.11.24);
- `uv venv` over a working environment replaces the link (until 0.8.4).
"""

from __future__ import annotations

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.model import Destination, UvVersion
    from uvx_policy.uv.invocation import Invocation

_SYNC_KEEPS_LINK = (0, 11, 25)
_VENV_KEEPS_LINK = (0, 8, 5)

#: They install and start no program of the user's: `UV_PROJECT_ENVIRONMENT` cannot leak from them
#: into a nested `uv sync` in another project, which would empty this environment.
_STARTS_NO_PROGRAM = (("sync",), ("add",), ("remove",), ("version",))


class LinkFacts(Value):
    """The link at the destination."""

    #: absolute path that the link leads to in the end, whether it exists or not
    target: str
    target_exists: bool
    #: the directory that holds `target` exists
    parent_exists: bool
    #: uv itself made the link: it leads into a cache (preview centralized-project-envs)
    into_cache: bool
    #: `target` is `~/.local`, from where Python imports and shells start what the user installed
    is_user_base: bool = False


class LinkPlan(Value):
    """What keeps the link."""

    code: str
    because: str
    #: directory to make before uv starts, "" for none
    make_directory: str = ""
    #: value for UV_PROJECT_ENVIRONMENT, `None` for no change
    project_environment: str | None = None
    #: word to append to `uv venv`, "" for none
    path_argument: str = ""


def keep_link(
    link: LinkFacts,
    *,
    invocation: Invocation,
    destination: Destination,
    version: UvVersion | None,
    at_workspace_root: bool,
) -> LinkPlan:
    """How this invocation keeps the link; the plan may be to do nothing, with the reason.

    `at_workspace_root`: uv's project directory is the workspace root, so that `uv venv` without a
    path honours `UV_PROJECT_ENVIRONMENT`.
    """
    if link.into_cache:
        return LinkPlan(code="link-into-cache", because="uv made this link into its cache itself")
    if not link.target_exists and not link.parent_exists:
        return LinkPlan(
            code="link-dangles",
            because=f"`{destination.path}` points to `{link.target}`, whose parent does not exist",
        )
    if not link.target_exists and link.is_user_base:
        # A project brings its links along: what it installs must not become everybody's.
        return LinkPlan(
            code="link-dangles",
            because=f"`{destination.path}` points to `{link.target}`, which is not an environment: "
            "every Python of yours imports from there",
        )
    make = "" if link.target_exists else link.target
    is_venv = invocation.command == ("venv",)
    keeps = version is not None and version >= (_VENV_KEEPS_LINK if is_venv else _SYNC_KEEPS_LINK)
    # Somebody named the path (UV_PROJECT_ENVIRONMENT, --active, an argument): theirs stays theirs.
    # A uv of unknown version gets it too: one that would keep the link works the same with it.
    if not keeps and destination.origin.kind == "default":
        may = "may" if version is None else "would"
        resolved = LinkPlan(
            code="link-resolved",
            because=f"this uv {may} replace the link `{destination.path}`: "
            "it gets the resolved path",
            make_directory=make,
        )
        syncs = invocation.command in _STARTS_NO_PROGRAM and destination.kind == "project"
        if syncs or (is_venv and at_workspace_root):
            return resolved.replace(project_environment=link.target)
        if is_venv:
            return resolved.replace(path_argument=link.target)
    if make:
        return LinkPlan(
            code="link-target-made",
            because=f"`{destination.path}` points to `{link.target}`, which is made first",
            make_directory=make,
        )
    if keeps:
        return LinkPlan(code="link-kept", because="this uv keeps the link by itself")
    return LinkPlan(
        code="link-left-alone",
        because="this uv may replace the link when it recreates the environment; "
        "nothing can be changed safely for this command",
    )
