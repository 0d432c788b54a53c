"""What analyses share: tables, vectors, targets, arithmetic. None of it is an analysis."""
