"""What the analyses say about the trained models: records them, runs the analyses, and writes docs/findings.md from the numbers."""
