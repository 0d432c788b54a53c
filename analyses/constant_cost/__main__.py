"""`python -m analyses.constant_cost` runs the study."""

from analyses.constant_cost.study import main

main()
