"""`python -m analyses.rate_distortion` runs the study."""

from analyses.common.runner import run_study
from analyses.rate_distortion.study import CLAIM, measure, options

run_study(CLAIM, measure, seeds=(0, 1, 2, 3, 4), quick_seeds=(0,), options=options)
