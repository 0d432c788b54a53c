"""`python -m analyses.recording_cost` runs the study."""

from analyses.common.runner import run_study
from analyses.recording_cost.study import CLAIM, measure

run_study(CLAIM, measure, quick_seeds=(0,))
