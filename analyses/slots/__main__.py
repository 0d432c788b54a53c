"""`python -m analyses.slots` runs the study."""

from analyses.common.recall import model_option
from analyses.common.runner import run_study
from analyses.slots.study import CLAIM, measure

run_study(CLAIM, measure, options=model_option)
