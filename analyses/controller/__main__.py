"""`python -m analyses.controller` runs the study."""

from analyses.common.runner import run_study
from analyses.controller.study import CLAIM, measure, options

run_study(CLAIM, measure, options=options)
