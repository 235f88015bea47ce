"""linkpolicy's own settings: their keys, reading them with origins, writing them."""
