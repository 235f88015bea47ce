"""`python -m uvx_policy` is `linkpolicy`."""

from uvx_policy.cli import program

if __name__ == "__main__":
    program()
