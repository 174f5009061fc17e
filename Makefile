# `make demo` and `make test` set up everything themselves; the other targets are for daily work.
.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-kernels test-kernels-quick test-samplers check lint format types pytest quick lowest notebooks \
	bench clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODEL ?= models/orthodont.toml

# The matrices are small, so threads of the linear algebra library mostly wait for each other; on a busy machine this
# costs a factor of up to 100.
export OPENBLAS_NUM_THREADS ?= 1

# Two workers halve the time on two cores; tests that share draws or fits stay on one worker.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup
# Processor features for which NumPy has special code that can be switched off.
FEATURES = $(shell $(BIN)/python -c "import numpy as np; print(*np.show_config(mode='dicts')['SIMD Extensions'].get('found', []))")

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# The first interpreter that is Python 3.12 or newer makes the environment: as .python-version has it, else any on PATH.
# Where venv cannot bring its own pip (Debian without python3-venv), the interpreter's pip installs one.
$(BIN)/python:
	@for place in . /; do for name in python3 python3.13 python3.12 python3.14 python; do \
	  python=$$(cd $$place && $$name -c 'import sys; sys.version_info >= (3, 12) and print(sys.executable)' 2>/dev/null); \
	  if [ -n "$$python" ]; then \
	    echo "creating $(VENV) with $$($$python --version)"; \
	    $$python -m venv $(VENV) || { $$python -m venv --clear --without-pip $(VENV) \
	      && $$python -m pip --python $(BIN)/python install --quiet pip; }; \
	    exit; \
	  fi; \
	done; done; echo "bayeslme needs Python 3.12 or newer, and none was found on PATH" >&2; exit 1

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## fit models/orthodont.toml, print REML estimates beside the posterior
	$(BIN)/bayeslme fit $(MODEL)

test: lint types pytest  ## lint, types, tests, doctests and a notebook, without slow tests (at most 8 minutes on two cores)

test-all: lint types  ## the same with slow tests: every notebook, long chains, whole corpora (at most 60 minutes)
	$(PYTEST)

test-kernels: $(STAMP)  ## tests sensitive to rounding, with 1 and 2 threads and all or few processor features (at most 10 minutes)
	@for threads in 1 2; do for off in "" "$(FEATURES)"; do \
	  echo "threads of the linear algebra: $$threads; features switched off: $${off:-none}"; \
	  OPENBLAS_NUM_THREADS=$$threads NPY_DISABLE_CPU_FEATURES="$$off" $(PYTEST) --durations=0 --durations-min=10 -m kernels || exit 1; \
	done; done

test-kernels-quick: $(STAMP)  ## the same with 2 threads and few processor features only, without slow tests (2 minutes)
	OPENBLAS_NUM_THREADS=2 NPY_DISABLE_CPU_FEATURES="$(FEATURES)" $(PYTEST) -m 'kernels and not slow'

test-samplers: $(BIN)/python  ## NUTS by numpyro and blackjax too, in an environment of their own (3 minutes)
	test -d $(VENV)-jax || $(BIN)/python -m venv $(VENV)-jax
	$(BIN)/python -m pip --python $(VENV)-jax/bin/python install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[dev,jax]'
	$(VENV)-jax/bin/python -m pytest -q tests/bayes/pymc/test_samplers.py

check: lint types quick  ## lint, types, and the tests that are neither slow nor need PyMC

lint: $(STAMP)  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## let ruff rewrite the files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## mypy --strict on the package
	$(BIN)/mypy

pytest: types lint
	$(PYTEST) -m 'not slow'

quick: $(STAMP)  ## tests that are neither slow nor need PyMC
	$(BIN)/python -m pytest -q -m 'not slow and not pymc'

# Old versions of dependencies warn about newer ones; such warnings are ignored.
lowest: $(STAMP)  ## quick tests on the lowest versions that pyproject.toml allows, in an environment of their own
	$(BIN)/python -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest --resolution lowest-direct --editable '.[dev]'
	$(VENV)-lowest/bin/python -m pytest -q -m 'not slow and not pymc' -W ignore::DeprecationWarning

notebooks: $(STAMP)  ## execute all case studies
	$(BIN)/python -m pytest tests/test_case_studies.py

bench: $(STAMP)  ## timings beside nlme, lme4, statsmodels and bambi, if installed (ten minutes)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks

clean:  ## remove the environment and all caches
	rm -rf $(VENV) $(VENV)-jax $(VENV)-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
