"""Efficiency at equal parameters: what does reading a context through memory save against plain attention?"""
