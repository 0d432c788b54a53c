# One set of commands for newcomers, for developers and for CI.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: help demo test test-all check format dashboard clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# torch first: a bare requirement on it may take a build with several GB of GPU libraries.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(shell grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: $(READY) ## stream 100K tokens through the trained model, record, write the report (runs/demo)
	$(BIN)/memlens demo -o runs/demo --overwrite

dashboard: $(READY) ## look at the demo's recording in a browser
	$(BIN)/memlens open runs/demo --port $(PORT)

test: $(READY) ## run the tests that take minutes together
	$(BIN)/python -m pytest -n 2

test-all: $(READY) ## run every test, also the slow ones
	$(BIN)/python -m pytest -n 2 -m "slow or not slow"

check: $(READY) ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: $(READY) ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove caches and builds; the environment and the runs stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
