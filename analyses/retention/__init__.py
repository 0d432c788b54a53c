"""Retention: what is recalled over streams of 8K to 1M tokens, by distance and depth, and what each part of the memory carries of it."""
