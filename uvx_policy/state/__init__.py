"""What linkpolicy keeps on disk: where each file lies, and how it is written."""
