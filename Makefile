# Holdfast: every target sets up what it needs. `make help` lists them.
VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev
ARGS   ?=

.PHONY: help run test test-long test-postgresql check format interop chaos bench docs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

run: $(READY) ## install and serve on 127.0.0.1:5000 (ARGS="--listen 127.0.0.1:5001" …)
	$(BIN)/holdfast serve $(ARGS)

test: $(DEV) ## install and pass the whole self-contained suite (ARGS="tests/model" …)
	$(BIN)/python -m compileall -q src
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(ARGS)  # tests are compiled once, in whatever shell

test-long: $(DEV) ## what takes minutes: hundreds of seeds of the simulation, and faults that seldom matter
	$(BIN)/python -m pytest -m long tests/simulation $(ARGS)

test-postgresql: $(DEV) ## the same with the facts in PostgreSQL; what knows no database is left out
	$(BIN)/python -m pytest --database postgresql $(ARGS)

check: $(DEV) ## linters, types and floors, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports

format: $(DEV) ## mend what the linters can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

interop: $(DEV) ## Debian's skopeo, podman, buildah, containerd and the AWS CLI against a started server
	$(BIN)/python tests/interop/run.py $(ARGS)

chaos: $(DEV) ## three nodes on PostgreSQL and S3, while everything around them falls (ARGS="--minutes 1" …)
	$(BIN)/python tests/chaos/run.py $(ARGS)

bench: $(DEV) ## the data plane side by side with a peer registry and nginx
	$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(READY) ## regenerate the reference pages from the code
	$(BIN)/python docs/generate.py

lock: $(DEV) ## pin what pyproject.toml allows, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --upgrade --generate-hashes --no-header --python-version 3.11 --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --upgrade --group dev --generate-hashes --no-header --python-version 3.11 --quiet -o requirements-dev.lock

clean: ## forget the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(DEV): $(READY) requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@
