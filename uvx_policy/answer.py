"""What a launcher of Windows asks on a pipe: what changes for this call? It starts uv itself.

Started as `python -I -S answer.py [DIRECTORY...]`; the directories are where what we import lies,
besides the one that holds this package. It has the environment variables and the directory of the
call. Standard input: the call, as fields in UTF-8, each ended by NUL:

    linkpolicy-call-v1
    <program>               "uv" or "uvx"
    <path of the real uv>
    <number of words>
    <word>...               without argv[0]
    .

Standard output, with standard error on the same pipe: `linkpolicy-answer-v1` and a NUL, lines for
people, a NUL, and the edits as they stand in a record (`replay.records`): `a<word>`,
`e<NAME>=<value>` and `.` at the end. Exit code 0 and a whole answer: uv runs with it. 2, after the
first NUL: the policy refuses, and the lines say so. Everything else: uv runs without a policy, and
the launcher says that.
"""

import os
import sys

_CALL = b"linkpolicy-call-v1"
_ANSWER = b"linkpolicy-answer-v1"
_END = b"."


def main() -> None:
    """Answer one call. Exits 2 when the policy refuses."""
    from uvx_policy import guard, launch, shim

    launch.become_invisible()
    program, uv, arguments = read_call(sys.stdin.buffer.read())
    os.write(1, _ANSWER + b"\0")
    environ = guard.without_ours(os.environ)
    edits = shim.edits_for_call(program, arguments, environ=environ, uv=uv)
    answer = b""
    if edits is not None:
        from uvx_policy.replay import records

        answer = records.render_edits(edits)
    sys.stdout.buffer.write(b"\0%b%b\0" % (answer, _END))
    sys.stdout.buffer.flush()


def read_call(request: bytes) -> tuple[str, str, list[str]]:
    """Program, path of the real uv, and words. Raises `ValueError` for what is no whole call."""
    fields = request.split(b"\0")
    if len(fields) < 6 or fields[0] != _CALL or fields[-2:] != [_END, b""]:  # noqa: PLR2004
        raise ValueError("this is no call")
    program, uv, count, *words = [field.decode("utf-8", "surrogatepass") for field in fields[1:-2]]
    if not count.isdigit() or int(count) != len(words):
        raise ValueError("a call with other words than it says")
    return program, uv, words


if __name__ == "__main__":
    # Ours first while this is imported (all else that it needs is built in), then last again.
    paths = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), *sys.argv[1:]]
    sys.path[:0] = paths
    import uvx_policy.shim  # noqa: F401 (this package, and not another one)

    sys.path[:] = [*sys.path[len(paths) :], *paths]
    main()
