"""How tables and captions say a value with its interval."""

from collections.abc import Mapping


def words(interval: Mapping[str, float], form: str = "{:.3g}") -> str:
    """ "0.958 (0.939 to 0.971)": a value and its interval as tables and captions say it."""
    value, low, high = (form.format(interval[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
