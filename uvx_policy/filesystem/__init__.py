"""What links work where, and which directory may hold a cache."""
