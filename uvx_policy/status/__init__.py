"""`linkpolicy status`: every known environment in one table."""
