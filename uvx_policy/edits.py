"""The only code that says what changes for uv: a decision in, edits out. Pure."""

from __future__ import annotations

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Outcome
    from uvx_policy.symlinked_venv import LinkPlan

CACHE_VARIABLE = "UV_CACHE_DIR"
NO_CACHE_VARIABLE = "UV_NO_CACHE"
LINK_MODE_VARIABLE = "UV_LINK_MODE"
ENVIRONMENT_VARIABLE = "UV_PROJECT_ENVIRONMENT"


class Seed(Value):
    """What one cache is to be given of another before uv starts."""

    source: str
    target: str
    #: normalized name, versions
    packages: tuple[tuple[str, tuple[str, ...]], ...]
    #: the same of packages whose answers of an index and metadata are needed
    described: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: paths below a cache: what was built of directories and commits, and repositories
    built: tuple[str, ...] = ()
    #: tag of the Python that wheels have to fit, such as "cp311", "" for any
    python: str = ""
    #: what the next source gives besides
    then: Seed | None = None


class Edits(Value):
    """Everything that is done before uv starts. Empty: uv is left alone."""

    #: environment variables to set
    variables: dict[str, str] = {}  # noqa: RUF012 (never mutated)
    #: words to append to uv's own
    words: tuple[str, ...] = ()
    #: cache directory to make, mode 0700, "" for none
    make_cache: str = ""
    #: what to bring into it, `None` for nothing
    seed: Seed | None = None
    #: the missing target directory of a symbolic link, "" for none
    make_directory: str = ""


NOTHING = Edits()


def edits_for(outcome: Outcome, link: LinkPlan | None, *, cache_exists: bool) -> Edits:
    """The edits that carry out a decision."""
    variables = {
        CACHE_VARIABLE: outcome.cache_dir.value,
        NO_CACHE_VARIABLE: "1" if outcome.temporary_cache else None,
        LINK_MODE_VARIABLE: outcome.link_mode.value,
        ENVIRONMENT_VARIABLE: link.project_environment if link is not None else None,
    }
    return Edits(
        variables={name: value for name, value in variables.items() if value is not None},
        words=(link.path_argument,) if link is not None and link.path_argument else (),
        make_cache=(outcome.cache_dir.value or "") if not cache_exists else "",
        seed=outcome.seed,
        make_directory=link.make_directory if link is not None else "",
    )
