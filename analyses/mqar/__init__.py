"""Multi-query associative recall at CPU size: three architectures of equal parameters, how well they learn it and how steadily."""
