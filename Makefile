# Everything that a contributor types. Needs make and Python 3.11 or newer, and installs the rest
# into .venv: what the demo needs, or all that development needs.

PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && echo "$$python" && break; done)
VENV := .venv
RUN := $(VENV)/bin/python -m
# More than two even on two processors: a third of the time, tests wait for servers.
WORKERS = $(shell $(PYTHON) -c 'import os; print(max(4, os.cpu_count() or 1))')

.PHONY: help demo test lint fresh docs schemas golden format bench build clean

help:
	@echo "make demo      see it work: validate, plan, apply, change, destroy; no token needed"
	@echo "make test      lint, types, layers, generated files, and every test"
	@echo "make lint      lint, types and layers only"
	@echo "make docs      write the generated parts of docs/ and schemas/ anew"
	@echo "make schemas   write schemas/ anew"
	@echo "make golden    accept what the commands print in tests/scenarios/ now"
	@echo "make format    format the code"
	@echo "make bench     measure"
	@echo "make build     the wheel and the source archive, in dist/"
	@echo "make clean     remove what all of this made"

demo: $(VENV)/.demo
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/demo.sh

test: lint fresh
	$(RUN) pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

fresh: $(VENV)/.dev
	$(RUN) scripts.schemas --check
	$(RUN) scripts.docs --check

docs: schemas
	$(RUN) scripts.docs --write

schemas: $(VENV)/.dev
	$(RUN) scripts.schemas --write

golden: $(VENV)/.dev
	UPDATE_GOLDEN=1 $(RUN) pytest tests/scenarios

format: $(VENV)/.dev
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: $(VENV)/.dev
	$(RUN) pip install --quiet -e '.[bench]'
	$(RUN) benchmarks

build: $(VENV)/.dev
	$(RUN) build

clean:
	rm -rf $(VENV) .demo build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		.hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find examples -name .friendli-iac -type d -prune -exec rm -rf {} +

# Each stamp says that an environment holds what pyproject.toml asked for.

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	$(RUN) pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml | $(VENV)/.made
	$(RUN) pip install --quiet --disable-pip-version-check --editable '.[emulator]'
	@touch $@

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer with venv was found (on Debian and" \
		"Ubuntu: apt install python3-venv); or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
