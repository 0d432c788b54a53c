"""`python -m analyses.scaling` runs the study."""

from analyses.common.runner import run_study
from analyses.scaling.study import CLAIM, measure

run_study(CLAIM, measure, quick_seeds=(0,))
