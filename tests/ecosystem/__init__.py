"""The files with which other tools use linkpolicy, each used by the real tool where it exists."""
