"""Generalisation at equal parameters: trained on short rows with few facts, tested on longer streams, more facts and new keys."""
