"""Cross-modal recall, and one memory for all modalities against a memory for each."""
