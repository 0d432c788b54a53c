"""Is the cost of a segment constant in the stream's length? Time per token and memory at 10K, 100K and 1M tokens."""
