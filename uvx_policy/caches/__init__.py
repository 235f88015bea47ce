"""The caches of all file systems together."""
