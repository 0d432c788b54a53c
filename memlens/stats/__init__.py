"""Statistics that every room uses, on plain arrays: one concept a file.

Neighbouring segments of a stream are alike, so rows are never treated as independent: nulls move whole stretches of time, intervals
leave out or draw whole blocks. What scipy has for independent rows is called where rows are independent.
"""
