"""Make a recording: run a model over streams, copy what is kept, write it; go on, and go back."""
