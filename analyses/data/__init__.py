"""The data that ships with memlens, and how it was made."""
