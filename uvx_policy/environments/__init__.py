"""Environments as they are: which ones exist, and how each file in them is linked."""
