"""`linkpolicy demo`: the five problems, with and without the policy."""
