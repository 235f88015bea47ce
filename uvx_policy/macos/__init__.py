"""What only macOS has, through ctypes; written from Apple's documentation and headers."""
