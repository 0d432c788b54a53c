"""Grade every analysis on every planted case: right, refused, or silently wrong."""
