"""Replace, remove and create files in environments and archives: the only code that does."""
