# Everything is installed into .venv from requirements.lock; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_ARGS ?= -n auto --maxprocesses=4

.DEFAULT_GOAL := help
.PHONY: help setup proto quickstart test check golden bench lock wheel clean

help: ## Show these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 14

setup: $(READY) proto ## Install all that is needed into .venv (at once when nothing changed)

$(READY): requirements.lock pyproject.toml hatch_build.py
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or later, or name another one: make PYTHON=python3.12 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Headgate needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 setup")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV); the first time takes a minute or two."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

proto: $(READY) ## Generate Envoy's API from the Envoy binary, if it is not up to date
	@$(BIN)/python build_proto.py

quickstart: setup ## Run Headgate and a real Envoy on examples/quickstart, and send some requests
	@$(BIN)/python examples/quickstart/run.py

test: setup ## Run the tests (PYTEST_ARGS="-k name" for some of them)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: setup ## Lint, types, direction of imports, then the tests: what CI runs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

golden: setup ## Rewrite the expected outputs of the golden cases; review the diff
	@$(BIN)/python -m pytest $(PYTEST_ARGS) tests/translator/golden --rewrite-golden

bench: setup ## Measure what ARCHITECTURE.md claims: edit to answer, cost of an edit among many routes
	@$(BIN)/python bench/run.py

lock: ## Resolve pyproject.toml's dependencies again into requirements.lock (needs uv)
	@uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file requirements.lock

wheel: setup ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

clean: ## Remove all that was made: .venv, proto/, dist/, caches
	@rm -rf $(VENV) proto dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
