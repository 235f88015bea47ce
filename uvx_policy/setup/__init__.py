"""`linkpolicy setup` and `linkpolicy uninstall`: the shims and the shells that find them."""
