"""What is installed in an environment or unpacked in a cache."""
