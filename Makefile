# `make run` is the main job, `make test` the whole suite; both build .venv first, once.
# Empty is the newest that works, as scripts/find_python.sh finds it.
PYTHON ?=
MODEL ?= examples/digits_snn.py:model
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
TEST_READY := $(VENV)/.ready-test

# Nothing here reaches for a hub or reports home: tests and conversions work without a network.
OFFLINE := HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 \
	OPENVINO_TELEMETRY_ENABLE=0 KAGGLEHUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help run test test-long fuzz conformance check format lint types bench time conversions lock-check clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PYTHON=python3.12 picks another Python, MODEL=net.py:make another model for make run"

run: $(RUN_READY) ## Prove the example network on this machine: all five phases, ending in a verdict
	@$(OFFLINE) $(BIN)/edgeproof run $(MODEL)

test: $(TEST_READY) ## Run the test suite, offline
	@$(OFFLINE) $(BIN)/pytest -q -n 2 --dist=loadgroup -m "not long"

test-long: $(TEST_READY) ## Run the rest of it: hundreds more random programs under sanitizers, Zig's first build, slow conversions
	@$(OFFLINE) $(BIN)/pytest -q -n 2 -m long

fuzz: $(TEST_READY) ## Fuzz the readers of foreign files and requests, some minutes; guided by coverage where atheris is installed
	@$(OFFLINE) $(BIN)/python scripts/fuzz.py
	@$(OFFLINE) $(BIN)/pytest -q -m long tests/serve/test_surface.py

conformance: $(TEST_READY) ## Run coremltools' own tests over the MIL reference check, all of them; writes docs/coreml.md
	@$(OFFLINE) $(BIN)/python scripts/coreml_page.py --conformance

check: lint types ## Check formatting, style and types, without the tests

format: $(TEST_READY) ## Format the code, and mend what the linter can mend
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

lint: $(TEST_READY) ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(TEST_READY) ## Check types, strictly
	@$(BIN)/mypy

bench: $(RUN_READY) ## Measure runtimes, starts and the server, half an hour on an idle machine; writes docs/benchmarks.md
	@$(OFFLINE) $(BIN)/python benchmarks/page.py

time: $(RUN_READY) ## Measure the time to a verdict, a quarter of an hour on an idle machine; writes docs/time.md
	@$(OFFLINE) $(BIN)/python benchmarks/verdict.py

conversions: $(RUN_READY) ## Run all examples, or go on with them, a quarter of an hour; writes docs/conversions.md
	@$(OFFLINE) $(BIN)/python scripts/conversions_table.py

lock-check: $(RUN_READY) ## Ask the package index whether the locks install on every system and Python they are for
	@$(BIN)/python scripts/lock_check.py

clean: ## Remove the environment and every cache; runs in bench_output/ are kept
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests examples scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python='$(PYTHON)'; [ -n "$$python" ] || python=$$(scripts/find_python.sh) || exit 1; \
	"$$python" -c 'import venv, ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$$python is not Python 3.11, 3.12 or 3.13 with venv and ensurepip" >&2; exit 1; }; \
	"$$python" -m venv $(VENV)

$(RUN_READY): requirements.lock pyproject.toml scripts/install.py | $(BIN)/python
	@$(BIN)/python scripts/install.py requirements.lock --editable .
	@touch $@

$(TEST_READY): requirements-test.lock $(RUN_READY)
	@$(BIN)/python scripts/install.py requirements-test.lock
	@touch $@
