"""What the help says about each command, beside its options.

The overview, `--help` and the man page are made from this. A command is named by its words, such as
"cache seed".
"""

from __future__ import annotations

from uvx_policy.value import Value

#: where the pages of `docs/` are published
DOCUMENTATION = "https://linkpolicy.readthedocs.io"

PROGRAM = "linkpolicy"
DESCRIPTION = "Give each uv project the right cache and link mode."


class Page(Value):
    """The help of one command."""

    #: heading in the overview, "" for a command of a command
    group: str
    #: one sentence without a full stop, imperative
    summary: str
    #: pairs of a command and what it is for; two of them
    examples: tuple[tuple[str, str], ...]
    #: page of the documentation, below `DOCUMENTATION`
    address: str

    @property
    def url(self) -> str:
        """Where to read more."""
        return f"{DOCUMENTATION}/{self.address}"


SET_UP, UNDERSTAND, FIX, LOOK_AFTER = GROUPS = (
    "Set up",
    "Understand",
    "Fix",
    "Look after",
)


def _page(group: str, summary: str, address: str, *examples: tuple[str, str]) -> Page:
    return Page(group=group, summary=summary, examples=examples, address=address)


#: in the order of the overview
PAGES = {
    "setup": _page(
        SET_UP,
        "Install the shims and put them first on PATH",
        "how-to/install-and-uninstall/",
        ("linkpolicy setup", "set up the shims and every shell in use"),
        ("linkpolicy setup --dry-run", "show what would change"),
    ),
    "uninstall": _page(
        SET_UP,
        "Undo everything that `setup` and `adopt` did",
        "how-to/install-and-uninstall/",
        ("linkpolicy uninstall --dry-run", "show what would be removed, and what stays"),
        ("linkpolicy uninstall", "remove the shims and restore the start-up files"),
    ),
    "init": _page(
        SET_UP,
        "Write [tool.linkpolicy] into a project's pyproject.toml",
        "reference/settings/",
        ("linkpolicy init", "add the table, with every setting as a comment"),
        ("linkpolicy init --hackable", "give this project private copies"),
    ),
    "adopt": _page(
        SET_UP,
        "Apply the policy to programs that bring their own uv",
        "how-to/clients-that-bypass-path/",
        ("linkpolicy adopt", "list the programs that bring their own uv"),
        ("linkpolicy adopt tox hatch", "apply the policy to these two"),
    ),
    "completion": _page(
        SET_UP,
        "Print a completion script for a shell",
        "how-to/install-and-uninstall/",
        ('eval "$(linkpolicy completion bash)"', "complete in this shell, bash or zsh"),
        ("linkpolicy completion fish | source", "complete in this shell, fish"),
    ),
    "why": _page(
        UNDERSTAND,
        "Show the decision for a uv command here, in one line",
        "explanation/how-a-decision-is-made/",
        ("linkpolicy why", "the decision for `uv sync` here"),
        ("linkpolicy why pip install requests", "the decision for another command"),
    ),
    "explain": _page(
        UNDERSTAND,
        "Show the decision for a uv command here, and where each value comes from",
        "explanation/how-a-decision-is-made/",
        ("linkpolicy explain", "the decision for `uv sync` here"),
        ("linkpolicy explain uv venv /mnt/data/env", "the decision for another command"),
    ),
    "config": _page(
        UNDERSTAND,
        "Show and change settings",
        "reference/settings/",
        ("linkpolicy config", "show every setting in force, and where it comes from"),
        ("linkpolicy config set link-mode copy", "set it for this project"),
    ),
    "config check": _page(
        "",
        "Check settings files that are named by their paths",
        "reference/settings/",
        ("linkpolicy config check pyproject.toml", "check the table of a project"),
        ("linkpolicy config check ~/.config/linkpolicy/config.toml", "check your own file"),
    ),
    "config set": _page(
        "",
        "Set a setting in the project's file, or in your own",
        "reference/settings/",
        ("linkpolicy config set hackable true", "set it for this project"),
        ("linkpolicy config set --user link-mode copy", "set it for all your projects"),
    ),
    "config unset": _page(
        "",
        "Remove a setting from the project's file, or from your own",
        "reference/settings/",
        ("linkpolicy config unset hackable", "remove it from this project"),
        ("linkpolicy config unset --user link-mode", "remove it from your own file"),
    ),
    "status": _page(
        UNDERSTAND,
        "List environments: how they are linked and how much space they take",
        "how-to/see-all-environments/",
        ("linkpolicy status", "list the environments that uv was run for"),
        ("linkpolicy status ~/projects --sort private", "search a directory, largest first"),
    ),
    "doctor": _page(
        UNDERSTAND,
        "Find problems and show how to fix them",
        "how-to/find-out-what-is-wrong/",
        ("linkpolicy doctor", "check the project here and this installation"),
        ("linkpolicy doctor --fix", "apply the safe fixes; asks first"),
    ),
    "demo": _page(
        UNDERSTAND,
        "Reproduce the five problems, without and with linkpolicy",
        "tutorial/first-project/",
        ("linkpolicy demo", "run it in a temporary directory"),
        ("linkpolicy demo --keep", "keep the directory to look around"),
    ),
    "verify": _page(
        FIX,
        "Compare installed files and caches with the hashes of their packages",
        "how-to/is-anything-edited/",
        ("linkpolicy verify", "compare the environment here"),
        ("linkpolicy verify --all --diff", "compare everything, and show what was edited"),
    ),
    "repair": _page(
        FIX,
        "Restore edited files in environments and caches; saves the edits first",
        "how-to/undo-an-edit-that-leaked/",
        ("linkpolicy repair", "restore the environment here, and its cache"),
        ("linkpolicy repair --all --dry-run", "show what would be restored everywhere"),
    ),
    "edits": _page(
        FIX,
        "List the edits that `repair` saved, show them, and apply them again",
        "how-to/undo-an-edit-that-leaked/",
        ("linkpolicy edits", "list the saved edits, the newest first"),
        ("linkpolicy edits apply 1", "apply the newest in the environment here"),
    ),
    "edits show": _page(
        "",
        "Show what was changed in the files of a saved edit",
        "how-to/undo-an-edit-that-leaked/",
        ("linkpolicy edits show 1", "show the newest edit"),
        ("linkpolicy edits show 1 rich", "show what it changed in one package"),
    ),
    "edits apply": _page(
        "",
        "Apply a saved edit to private copies of the files here",
        "how-to/undo-an-edit-that-leaked/",
        ("linkpolicy edits apply 1 --dry-run", "show what would be changed"),
        ("linkpolicy edits apply 1", "apply the newest edit in the environment here"),
    ),
    "detach": _page(
        FIX,
        "Turn installed packages into private copies before you edit them",
        "how-to/make-a-project-hackable/",
        ("linkpolicy detach requests", "make the files of one package private"),
        ("linkpolicy detach --hackable", "make all private, and mark the project as hackable"),
    ),
    "reclaim": _page(
        FIX,
        "Get disk space back: equal files of environments and caches share it",
        "how-to/get-disk-space-back/",
        ("linkpolicy reclaim --dry-run", "show how much can be freed"),
        ("linkpolicy reclaim ~/projects", "free it in one directory"),
    ),
    "cache": _page(
        LOOK_AFTER,
        "List, measure, fill, clean and prune the caches on all disks",
        "how-to/look-after-the-caches/",
        ("linkpolicy cache", "list every known cache"),
        ("linkpolicy cache prune", "remove what nothing refers to; asks first"),
    ),
    "cache list": _page(
        "",
        "List every known cache with its size and the environments that use it",
        "how-to/look-after-the-caches/",
        ("linkpolicy cache list", "list them"),
        ("linkpolicy cache list --json", "list them for a program"),
    ),
    "cache dir": _page(
        "",
        "Print the cache that `uv sync` uses here",
        "how-to/look-after-the-caches/",
        ("linkpolicy cache dir", "print its path"),
        ('du -sh "$(linkpolicy cache dir)"', "measure it"),
    ),
    "cache size": _page(
        "",
        "Show how much space each cache takes",
        "how-to/look-after-the-caches/",
        ("linkpolicy cache size", "show it for every known cache"),
        ("linkpolicy cache size --json", "show it for a program"),
    ),
    "cache clean": _page(
        "",
        "Let uv remove all entries of a cache, or those of some packages",
        "how-to/look-after-the-caches/",
        ("linkpolicy cache clean numpy", "remove one package; asks first"),
        ("linkpolicy cache clean --dry-run", "show what would be removed"),
    ),
    "cache prune": _page(
        "",
        "Let uv remove the entries of a cache that nothing refers to",
        "how-to/look-after-the-caches/",
        ("linkpolicy cache prune", "prune every known cache; asks first"),
        ("linkpolicy cache prune --dry-run", "show what would be removed"),
    ),
    "cache seed": _page(
        "",
        "Fill a cache from environments and from other caches, without a network",
        "how-to/get-disk-space-back/",
        ("linkpolicy cache seed --dry-run", "show what would be brought"),
        ("linkpolicy cache seed --all", "bring every package that another cache has"),
    ),
    "env": _page(
        LOOK_AFTER,
        "Print the decision as environment variables, for CI and containers",
        "how-to/use-in-ci-and-containers/",
        ('eval "$(linkpolicy env)"', "set them in this shell"),
        ('linkpolicy env --github >> "$GITHUB_ENV"', "set them in a GitHub workflow"),
    ),
    "run": _page(
        LOOK_AFTER,
        "Run a program under the policy, without the shims",
        "how-to/clients-that-bypass-path/",
        ("linkpolicy run uv sync", "run uv"),
        ("linkpolicy run tox -e py", "run a program that brings its own uv"),
    ),
    "help": _page(
        LOOK_AFTER,
        "Show this overview, or the help of a command",
        "reference/cli/",
        ("linkpolicy help", "show the overview"),
        ("linkpolicy help cache seed", "show the help of a command"),
    ),
}


def summary(words: str) -> str:
    """What a command does, in a sentence without a full stop; "" stands for `linkpolicy`."""
    return PAGES[words].summary if words else DESCRIPTION.rstrip(".")
