"""linkpolicy: a transparent `uv` shim that gives each project its own link mode and cache."""

__version__ = "0.1.0"
