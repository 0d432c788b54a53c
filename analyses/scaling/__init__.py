"""Scaling of recall in slots and in parameters, with a fitted law and what it misses."""
