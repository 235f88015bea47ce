"""Everything that is printed, asked, or shown as progress."""
