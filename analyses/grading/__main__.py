"""`python -m analyses.grading` runs the study."""

import sys

from analyses.grading.study import main

sys.exit(main())
