# `make run` and `make test` are all the set-up there is. Everything else is Python.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# A command with the embedded servers up and the demo's settings.
WITH := $(PY) -m supportdesk.core.devservices exec --

.DEFAULT_GOAL := help
.PHONY: help install run test unit controls lint fuzz manage lock reset

help: ## Show what there is to make
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: ## Make the virtual environment and install the locked requirements
	@$(PYTHON) requirements/install.py $(VENV)

run: install ## Run the product on real parts, with demo data
	@$(WITH) $(PY) manage.py run --with-parent

test: install ## Run all tests on servers of their own
	@$(PY) -m pytest -q -n auto --dist worksteal

unit: install ## Run the tests that start nothing and ask few questions: two minutes
	@$(PY) -m pytest -q -n auto --dist worksteal -m "not slow"

controls: install ## Run each drill with each fault that it must find (ten minutes)
	@$(PY) -m pytest -q -n auto --dist worksteal -m control

lint: install ## Check style, types, migrations, settings and the API document
	@$(WITH) $(PY) requirements/lint.py

fuzz: install ## Attack the API with Schemathesis; PROFILE=full make fuzz takes its time
	@$(PY) -m supportdesk.tests.fuzz --profile $(or $(PROFILE),ci)

manage: install ## Run a management command on the demo: make manage ARGS="import_tickets FILE.csv"
	@$(WITH) $(PY) manage.py $(ARGS)

lock: ## Lock the requirements again, after a change of requirements/*.in (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command 'make lock' requirements/runtime.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command 'make lock' requirements/dev.in -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-deps \
		--custom-compile-command 'make lock' requirements/embedded.in -o requirements/embedded.txt

reset: ## Forget the demo: its data and its secrets
	@$(PY) -m supportdesk.core.devservices reset
