# `make help` lists what there is. Everything runs in a virtual environment: the active one, else .venv, made when needed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?=
ARGS ?=
VENV := $(or $(VIRTUAL_ENV),.venv)
PY := $(VENV)/bin/python
FLOORLINE := $(PY) -m dashboard
RUNTIME := $(VENV)/.floorline-runtime
DEV := $(VENV)/.floorline-dev

##@ To use it

run: $(RUNTIME) ## Open the demo floor with its sandbox (PORT=8000 HOST=localhost ARGS="--calls 500")
	@exec $(FLOORLINE) demo --parent $$PPID $(ARGS)

serve: $(RUNTIME) ## Serve a real Telnyx account, configured by the environment (docs/operations.md)
	@exec $(FLOORLINE) serve --parent $$PPID $(ARGS)

setup: $(RUNTIME) ## Install the locked packages and the command floorline ($(VENV)/bin/floorline), nothing more

##@ To work on it

test: $(DEV) lint types unit browser postgres wheel ## Everything: lint, types, contracts, unit, browser, wheel and (TEST_POSTGRES_URL) PostgreSQL tests

quick: $(DEV) lint types ## The part of the tests that runs in under a minute
	$(PY) -m pytest -n 2 -q -m 'not browser and not slow and not wheel'

lint: $(DEV) ## Ruff, import contracts, templates, migrations, Django's own checks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-cache
	find templates -name '*.html' -exec $(VENV)/bin/djade --check --target-version 5.2 {} +
	$(VENV)/bin/djlint templates --lint --quiet
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check

types: $(DEV) ## mypy, strict
	$(PY) -m mypy

COVER ?=
unit: $(DEV) ## Unit and integration tests on SQLite
	$(PY) -m pytest -n 2 -m "not browser and not wheel and not alone" $(COVER)
	$(PY) -m pytest -m alone $(COVER)

browser: $(DEV) ## The browser tests, in processes of their own
	CHROMIUM="$$(.ci/chromium)" && export CHROMIUM && $(PY) -m pytest -n 2 -m browser $(COVER)

# A command of its own: measuring makes the tests take half as long again.
coverage: $(DEV) ## The unit and browser tests once more, with a report of the lines and branches they do not reach
	rm -f .coverage .coverage.*
	$(MAKE) unit browser COVER="--cov --cov-append --cov-report="
	$(PY) -m coverage report

# The database-using tests once more; the launcher's and the sandbox's own tests have no database of ours in them.
postgres: $(DEV) ## The same tests on PostgreSQL, where TEST_POSTGRES_URL names one
	@if [ -z "$$TEST_POSTGRES_URL" ]; then echo "PostgreSQL tests left out: TEST_POSTGRES_URL is not set."; else \
	  DATABASE_URL="$$TEST_POSTGRES_URL" $(PY) -m pytest -n 2 -m "not browser and not alone" --ignore tests/tooling --ignore tests/sandbox && \
	  DATABASE_URL="$$TEST_POSTGRES_URL" $(PY) -m pytest -m alone --ignore tests/tooling; fi

wheel: $(DEV) ## Build the wheel, install it into an empty environment, and run its demo up to a verified whisper
	$(PY) -m pytest -m wheel

contract: $(DEV) ## The facts about Telnyx that need no ear, on the real account of FLOORLINE_CONTRACT_API_KEY: it asks before it dials (docs/telnyx-facts.md)
	@$(PY) -m tests.contract

# One proof of docs/proofs.md, resumable: make proof NAME=permutations SIZE=100000 SEED=1
NAME ?= permutations
SIZE ?= 1000
SEED ?= 1
proof: $(DEV) ## One proof at any size: NAME=model|stops|flood|… SIZE=1000 SEED=1 (docs/proofs.md)
	$(PY) -m tests.proofs $(NAME) --size $(SIZE) --seed $(SEED)

bench: $(DEV) ## Every figure beside its baseline: intake (PostgreSQL too where TEST_POSTGRES_URL is set), streams, pages, click, browser
	$(PY) -m benchmarks $(ARGS)
	$(PY) -m benchmarks.streams
	$(PY) -m benchmarks.pages
	$(PY) -m benchmarks.command
	CHROMIUM="$$(.ci/chromium)" $(PY) -m benchmarks.browser

docs: $(DEV) ## Build the documentation into site/, strictly
	$(PY) -m zensical build --clean --strict

pictures: $(DEV) ## Take every picture of the documentation anew from a live demo
	CHROMIUM="$$(.ci/chromium)" $(PY) -m docs.take_pictures

screenshots: $(DEV) ## Render every page × width × theme into screenshots/ (ARGS="--page floor --width 390 --theme dark")
	CHROMIUM="$$(.ci/chromium)" $(PY) -m docs.take_screenshots $(ARGS)

audit: $(DEV) ## Ask whether a locked package has a known vulnerability (needs the internet)
	$(PY) -m pip_audit --require-hashes --disable-pip --requirement requirements.lock
	$(PY) -m pip_audit --require-hashes --disable-pip --requirement requirements-dev.lock

build: $(DEV) ## Build the wheel and the source archive into dist/
	$(PY) -m build --no-isolation

format: $(DEV) ## Format Python and templates
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	find templates -name '*.html' -exec $(VENV)/bin/djade --target-version 5.2 {} +

# What is locked is what pyproject.toml asks for; no index, no local setting finds its way into the files.
# Extras stay named: where only `coverage` is pinned, pip takes the newest `coverage[toml]` that a package asks for, and stops.
LOCK := uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: $(DEV) ## Refresh requirements.lock and requirements-dev.lock from pyproject.toml (UPGRADE=--upgrade)
	$(PY) -m pip install --quiet uv
	$(VENV)/bin/$(LOCK) $(UPGRADE) pyproject.toml --extra postgres --extra sentry --output-file requirements.lock
	$(VENV)/bin/$(LOCK) $(UPGRADE) pyproject.toml --extra dev --constraint requirements.lock --output-file requirements-dev.lock

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

# --- Setting up: once, and again when a lock file has changed ---------------------------------------------------------

$(PY):
	@python=; for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Floorline needs Python 3.11 or newer. Install it (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: make run PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python cannot make a virtual environment. Install what it lacks (Debian, Ubuntu: apt-get install python3-venv), or name another: make run PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Making a virtual environment in $(VENV) …"; \
	$$python -m venv --clear $(VENV)

define install
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "The Python of $(VENV) is older than 3.11. Leave that environment (deactivate), or remove $(VENV), and try again." >&2; exit 1; }
	@echo "Installing the packages of $< …"
	@$(PY) -m pip --disable-pip-version-check install --quiet --quiet --require-hashes --requirement $< || { echo "The packages could not be installed; pip says why above. Fix that and try again." >&2; exit 1; }
	@printf '%s\n' '#!/bin/sh' 'PYTHONPATH="$(CURDIR)$${PYTHONPATH:+:$$PYTHONPATH}" exec "$(abspath $(PY))" -P -m dashboard "$$@"' >$(VENV)/bin/floorline
	@chmod +x $(VENV)/bin/floorline
	@touch $@
endef

$(RUNTIME): requirements.lock | $(PY)
	$(install)

$(DEV): requirements-dev.lock | $(PY)
	$(install)
	@touch $(RUNTIME)

.PHONY: run serve setup test quick lint types unit coverage browser postgres wheel contract proof bench docs pictures screenshots audit build format lock help
