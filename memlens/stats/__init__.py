"""Statistics that every room uses: intervals, nulls, tests, multiple comparisons."""
