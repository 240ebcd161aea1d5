# The two commands: `make demo` and `make test`. Both make .venv first, from this folder's own files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# Real data for tests and benchmarks, where it is there; tests that need it skip by name where it is not.
export TRANSFERKIT_DATA ?= $(abspath ../shared/data)
# One thread a process: the tests run side by side.
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: demo test lint format bench readme clean help

help:
	@echo "make demo   install, run the main job on bundled data, write a report (under 3 minutes)"
	@echo "make test   install, run the whole test suite"
	@echo "make lint   ruff, mypy, import-linter"
	@echo "make bench  the paper tables and the speed comparison, JSON into benchmarks/results"

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	@touch $@

demo: $(VENV)/.core
	$(BIN)/transferkit demo

test: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/paper_tables.py

readme: $(VENV)/.dev
	$(BIN)/python docs/make_readme.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
