"""Give the packages of one environment private copies, before somebody edits them on purpose."""
