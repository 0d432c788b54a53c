"""Rate and distortion of the compressor: what its levels keep of slots, and whether facts can still be recalled from them."""
