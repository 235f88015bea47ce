"""What is on this computer for this user: caches, environments, policies."""
