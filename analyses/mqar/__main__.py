"""`python -m analyses.mqar` runs the study."""

from analyses.common.runner import run_study
from analyses.mqar.study import CLAIM, measure

run_study(CLAIM, measure, seeds=tuple(range(10)), quick_seeds=(0,))
