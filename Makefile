# Every target does its own set-up; each line also works by hand.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
COMITY := $(VENV)/bin/comity
# Third-party data that some tests measure with may lie in a folder beside the checkout; the setting says where.
BESIDE := $(patsubst %/cordis-horizon-ict/,%,$(firstword $(wildcard $(CURDIR)/../*/data/cordis-horizon-ict/)))
TEST_DATA := $(if $(COMITY_TEST_DATA)$(BESIDE),COMITY_TEST_DATA="$(or $(COMITY_TEST_DATA),$(BESIDE))")
# Tests start hundreds of processes: what they import is compiled once, also where the environment forbids to write bytecode.
KEPT := env -u PYTHONDONTWRITEBYTECODE
# The tests of a file stay together; the order in which groups begin is that of tests/conftest.py.
PARALLEL := -n 2 --dist loadgroup --no-loadscope-reorder

.PHONY: help install lock demo demo-kafka check test drills fuzz conformance format clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*##/\t/'

install: $(VENV)/.installed  ## set up the project folder: .venv/bin/comity

$(VENV)/.installed: requirements.lock pyproject.toml
	@sh deploy/setup.sh $(VENV)
	@touch $@

lock:            ## resolve the packages anew into requirements.lock (hashes, no addresses)
	$(VENV)/bin/uv lock -q
	$(VENV)/bin/uv export -q --format requirements.txt --all-groups --no-emit-project --no-header > requirements.lock

demo: install    ## the whole system in one process with the demo data
	$(COMITY) demo

demo-kafka: install  ## the same on PostgreSQL and Apache Kafka, each service a process of its own
	$(COMITY) demo --deployment split

format: install  ## lay the code out
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix-only -q .

check: install   ## the fast tier: lint, types, import contracts, unit tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(KEPT) $(PY) -m pytest -q $(PARALLEL) -m "not postgresql and not kafka and not slow"

test: install    ## everything, on real PostgreSQL and Apache Kafka
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m services.console.parts
	$(KEPT) $(TEST_DATA) $(PY) -m pytest $(PARALLEL)

drills: install  ## a short seeded part of the drills: processes killed and frozen, servers down, events out of order (tests/drills)
	$(PY) -m tests.drills

fuzz: install    ## schemathesis, 50 examples an operation for every role
	COMITY_FUZZ_EXAMPLES=50 $(PY) -m pytest -q tests/contracts/test_fuzz.py

clean:           ## remove what the targets made (data included)
	rm -rf $$(cat var/*/postgresql/elsewhere 2>/dev/null)
	rm -rf $(VENV) var .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
