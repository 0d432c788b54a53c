"""Studies: each measures one claim about memlens. ``python -m analyses.NAME [--quick]``; see README.md in this folder."""
