# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer: they set everything up first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check fix slow gpu bench docs size setup

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'reskin needs Python 3.11 or newer; this is ' + sys.version.split()[0] + '. Type: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch -e '.[dev]'
	touch $@

demo: $(READY)       ## draw two clips, learn, translate a third, report: about six minutes
	$(BIN)/reskin demo --out demo

test: $(READY)       ## the fast tests
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4

check: $(READY)      ## lint, format and types
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

fix: $(READY)        ## format, and mend what the linter can
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

slow: $(READY)       ## tests that learn or fuzz
	$(BIN)/python -m pytest -q -m slow

bench: $(READY)      ## speed on this machine, written as JSON
	$(BIN)/python benchmarks/bench.py --out build/bench.json

gpu:                 ## on a machine with CUDA whose python has torch: tests, bench, short training on FOLDER
	PYTHONPATH=src $(PYTHON) -m pytest -q -m gpu tests/gpu
	PYTHONPATH=src $(PYTHON) benchmarks/gpu.py $(FOLDER)

docs: $(READY)       ## make the pages that are built from the code, and check the others
	$(BIN)/python docs/build.py

size: $(READY)       ## the ten longest files and functions
	$(BIN)/python benchmarks/size.py
