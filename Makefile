# Everything runs from the virtual environment in .venv; paths are relative, so the checkout may lie anywhere.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CHECKED := schemas services deploy tests
# What the benchmark compares with, apart from the product's own software.
BENCH_VENV := .bench-venv
BENCH_STAMP := $(BENCH_VENV)/.installed
# Most of the slow tests wait for sessions and restarts, so twice as many workers as a small machine has cores are worth
# it: tests/support/policy.py gives each of them both what waits and what computes.
WORKERS ?= 4

# A Python to start from: PYTHON=... on the command line, or the first of these that fits.
CANDIDATES := python3 python3.12 python3.11 python3.13
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(FITS)' >/dev/null 2>&1 && echo "$$p" && break; done)

.DEFAULT_GOAL := help
.PHONY: help install run compiled test static pytest coverage nightly bench bench-soak chaos lock clean

help:  ## Show these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: $(STAMP)  ## Make .venv with everything at its locked version (PYTHON=... picks the interpreter).

$(STAMP): requirements.lock pyproject.toml
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null \
	  || { echo "Bellwether needs Python 3.11, 3.12 or 3.13: install one, or name it with make PYTHON=/path/to/python."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This Python cannot make virtual environments: install its venv package (Debian: python3-venv)."; exit 1; }
	@command -v "$${CC:-cc}" >/dev/null 2>&1 \
	  || { echo "A C compiler is needed to build durable-rules: install one (Debian: build-essential), or set CC."; exit 1; }
	@"$(PYTHON)" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' \
	  || { echo "Python.h is needed to build durable-rules: install the headers of this Python (Debian: python3-dev)."; exit 1; }
	@# A .venv that was moved or whose Python is gone does not start: make it anew.
	@$(BIN)/python -c 'import pip' >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "Installing into $(VENV); the first time takes a minute or two."
	@# Python 3.13 dropped the old name of a function that durable-rules calls; the new one does the same.
	@CPPFLAGS="$$($(BIN)/python -c 'import sys; print("-DPyEval_CallObject=PyObject_CallObject" * (sys.version_info >= (3, 13)))')" \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

compiled: install  ## Compile the hot part of the rules core to C, some minutes (BELLWETHER_COMPILED=.compiled runs it).
	@$(BIN)/python -m deploy.compile

run: install  ## Start everything on sample data, with the console open to a browser; Ctrl-C ends it.
	@exec $(BIN)/python -m deploy.run

test: install static pytest  ## Run every check and every test (the nightly ones apart).

static: install
	$(BIN)/python -m ruff check $(CHECKED)
	$(BIN)/python -m ruff format --check $(CHECKED)
	$(BIN)/python -m mypy $(CHECKED)
	$(BIN)/lint-imports
	$(BIN)/bellwether schema --check
	$(BIN)/bellwether schema compare

pytest: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

coverage: install  ## Run the tests again and say which lines of ours they never reach; tracing takes half as long again.
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

nightly: install  ## Run the long tests too: larger simulations, longer soaks.
	$(BIN)/python -m pytest -m nightly --timeout=3600

bench: install $(BENCH_STAMP)  ## Measure speed, latency, recovery, memory against others, 40 min (BENCH="--quick --only speed").
	$(BIN)/python -m tests.bench $(BENCH)

bench-soak: install  ## Measure half an hour of memory under load.
	$(BIN)/python -m tests.bench --only soak $(BENCH)

$(BENCH_STAMP): tests/bench/requirements.txt | $(STAMP)
	@$(BENCH_VENV)/bin/python -c 'import pip' >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
	  -r tests/bench/requirements.txt
	@touch $(BENCH_STAMP)

# FAULT=name picks one of them; ROUNDS=n goes on with the seeds that follow.
SEED ?= 1
ROUNDS ?= 1
chaos: install  ## Disturb a running system, from a seed: SEED=n [FAULT=name] [ROUNDS=n]; see docs/faults.md.
	$(BIN)/python -m tests.chaos --seed $(SEED) --rounds $(ROUNDS) $(if $(FAULT),--fault $(FAULT))

lock: install  ## Resolve requirements.lock again from pyproject.toml (needs uv).
	@command -v uv >/dev/null 2>&1 || { echo "uv is needed to lock: https://docs.astral.sh/uv/"; exit 1; }
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --all-extras --python-version 3.11 \
	  pyproject.toml -o requirements.lock

clean:  ## Remove .venv, the data of runs and all caches in this checkout.
	rm -rf $(VENV) $(BENCH_VENV) .bellwether .compiled htmlcov build dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f .coverage .coverage.*
	find schemas services deploy tests -name __pycache__ -type d -prune -exec rm -rf {} +
