"""Slots, grouping, levels and events: which sizes and rules of the memory its recall rests on, without training again."""
