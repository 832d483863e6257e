"""Where facts come from, and when they were known."""
