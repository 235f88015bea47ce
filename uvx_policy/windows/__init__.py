"""What only Windows has, by its own calls through ctypes. Nothing here is imported elsewhere."""
