"""`python -m analyses.cross_modal` runs the study."""

from analyses.common.recall import model_option
from analyses.common.runner import run_study
from analyses.cross_modal.study import CLAIM, measure

run_study(CLAIM, measure, options=model_option)
