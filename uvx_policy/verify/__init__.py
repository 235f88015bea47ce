"""Compare installed files and cache archives with their RECORD."""
