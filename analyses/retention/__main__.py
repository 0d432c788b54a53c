"""`python -m analyses.retention` runs the study."""

from analyses.common.runner import run_study
from analyses.retention.study import CLAIM, measure, options

run_study(CLAIM, measure, options=options)
