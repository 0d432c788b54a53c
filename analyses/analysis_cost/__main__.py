"""`python -m analyses.analysis_cost` runs the study."""

from analyses.analysis_cost.study import CLAIM, measure
from analyses.common.runner import run_study

run_study(CLAIM, measure, quick_seeds=(0,))
