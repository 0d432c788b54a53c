"""`python -m analyses.findings` runs the study."""

import sys

from analyses.findings.study import main

sys.exit(main())
