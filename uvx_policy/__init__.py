"""linkpolicy: a transparent `uv` shim that gives each project its own link mode and cache."""
