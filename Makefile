# The verbs of Vaultgate. Everything built goes under build/, the tools into .venv/; nothing else appears in the checkout.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VAULTGATE := $(BIN)/vaultgate

.PHONY: help setup demo demo-rotation up down test test-compose check layer bench bench-audit compare soak mutants docs

help: ## Show the verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv/ with the pinned, hashed requirements

$(VENV)/.ready: requirements/dev.txt requirements/compose-schema.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Vaultgate needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 ..."; exit 3; }
	@rm -f $@
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed: on Debian and Ubuntu it needs the package python3-venv."; rm -rf $(VENV); exit 3; }
	@echo "Installing the pinned requirements into $(VENV)/ (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/dev.txt
	@rm -rf $(VENV)/share/compose-1.29
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --requirement requirements/compose-schema.txt --target $(VENV)/share/compose-1.29
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run the whole chain on real parts and tell its story
	@$(VAULTGATE) demo $(if $(DEMO),--$(DEMO))

demo-rotation: setup ## Rotate passwords and an API key under load, and show what clients of each strategy notice
	@$(VAULTGATE) demo --rotation

up: setup ## Start the local stack and leave it running
	@$(VAULTGATE) up

down: setup ## Stop what 'make up' or an interrupted run left behind
	@$(VAULTGATE) down

layer: setup ## Build build/layer/ and build/vaultgate-layer.zip; RELEASE=1 makes what is handed to others, in build/release/
	@$(VAULTGATE) layer build $(if $(RELEASE),--release)

test: setup layer ## Set up everything and run the whole test suite
	@$(VAULTGATE) up --only-fetch
	@$(BIN)/python -m pytest

test-compose: setup ## Bring docker-compose.yml up for real; starts an engine of its own if none answers (as root)
	@$(BIN)/python tests/compose/run.py

check: setup layer ## ruff, mypy, import-linter, cfn-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=extension/python:src $(BIN)/lint-imports --no-cache
	@$(BIN)/cfn-lint template.yaml templates/*.yaml

bench: setup layer ## Measure cold starts and reads; PEER=executable measures another extension beside ours
	@$(BIN)/python -m benchmarks.extension $(if $(PEER),--peer "$(PEER)") $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(ONLY),--only "$(ONLY)")

soak: setup layer ## The long trials of tests/soak/; SUITE=extension, audit or rotation runs those of one part
	@compgen -G "tests/soak/$(or $(SUITE),*)_*.py" > /dev/null || { echo "There is no tests/soak/$(SUITE)_*.py."; exit 2; }
	@$(VAULTGATE) up --only-fetch
	@$(BIN)/python -m pytest -n 0 --timeout 0 --log-cli-level INFO tests/soak/$(or $(SUITE),*)_*.py

mutants: setup ## Mutation testing of tests/mutation/modules.toml; MODULES="leases cache" runs some, JOBS=1 one mutant at a time
	@$(BIN)/python tests/mutation/run.py $(if $(JOBS),--processes $(JOBS)) $(MODULES)

bench-audit: setup ## Measure the audit mirror; PEER=command measures another program beside it
	@$(BIN)/python -m benchmarks.audit $(if $(PEER),--peer "$(PEER)") $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(ONLY),--only "$(ONLY)")

compare: setup layer ## Measure Vault, Secrets Manager, Parameter Store and variables side by side (build/compare/); QUICK=1 is under a minute
	@$(VAULTGATE) compare --output build/compare $(if $(QUICK),--quick)

docs: setup ## Make the generated pages of docs/
	@$(VAULTGATE) config --markdown > docs/configuration.md
	@$(BIN)/python -m vaultgate_ops.cli.reference > docs/cli.md
	@$(VAULTGATE) doctor --markdown > docs/doctor.md
