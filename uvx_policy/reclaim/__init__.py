"""`linkpolicy reclaim`: let equal files of environments and caches share their space."""
