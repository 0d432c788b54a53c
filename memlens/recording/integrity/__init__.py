"""Whether a recording is as it was written: seals, and what is checked against them."""
