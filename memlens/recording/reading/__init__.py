"""Open a recording and look at it. Nothing here needs torch."""
