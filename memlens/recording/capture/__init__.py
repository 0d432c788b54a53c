"""Make a recording: run a model over streams, copy tensors, write them; resume and replay."""
