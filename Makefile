# make demo   sets everything up, then shows the whole of gatllm on real code
# make test   sets everything up, then runs the tests
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   ?=

.PHONY: demo test test-all lint coverage mutants setup docs site sbom clean help
.DEFAULT_GOAL := help

help:            ## show these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

demo: setup      ## set up, then run `gatllm demo` (options: make demo DEMO="--minutes 2 --small --out demo-short")
	$(BIN)/gatllm demo $(DEMO)

test: setup      ## set up, then run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-all: setup  ## set up, then run all tests, the slow ones too
	$(BIN)/python -m pytest

lint: setup      ## ruff, mypy (strict), the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

coverage: setup  ## run the tests and show which lines and branches they reach; the pages are in build/coverage
	$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term:skip-covered --cov-report=html
	$(BIN)/coverage report --fail-under=98 --include='*/records/*,*/review/gate.py,*/proof/verif*.py,*/proof/verdict.py,*/proof/signature.py,*/proof/inventory.py,*/proof/envelope.py,*/service/paywall.py,*/chain/outbox.py,*/sandbox/filters.py'

mutants: setup   ## change the code that must not be wrong, and see that the tests notice (MUTANTS="gate --sample 0")
	$(BIN)/python -W ignore dev/mutants.py $(MUTANTS)

setup: $(VENV)/.installed .contracts .web   ## virtual environment, packages, contracts, web assets

# The stamp is written last: an interrupted installation is done again.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: gatllm needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "[set-up 1/3] packages into $(VENV) (two to five minutes; progress in $(VENV)/pip.log)"
	@$(PYTHON) -m venv $(VENV) || { echo "error: no venv module; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]' > $(VENV)/pip.log 2>&1 || \
	  { grep -v WARNING $(VENV)/pip.log | tail -n 5 >&2; echo "error: pip failed; the whole output is in $(VENV)/pip.log" >&2; exit 1; }
	@touch $@

.PHONY: .contracts .web
.contracts: $(VENV)/.installed
	@$(BIN)/python contracts/build.py

.web: $(VENV)/.installed
	@$(BIN)/python web/build.py

docs: setup      ## write docs/cli.md and docs/rules.md anew from the commands and rules themselves
	$(BIN)/python -c 'from gatllm.cli.reference import reference; print(reference(), end="")' > docs/cli.md
	$(BIN)/python -m gatllm.review.rules.pages > docs/rules.md

site: setup      ## build the documentation into build/site; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site

sbom: setup      ## write build/sbom.json: a bill of materials (CycloneDX) of what set-up installed
	@mkdir -p build
	$(BIN)/cyclonedx-py environment $(VENV) --pyproject pyproject.toml -o build/sbom.json

clean:           ## remove everything that set-up made (not datasets/, runs/, demo/)
	rm -rf $(VENV) build contracts/node_modules contracts/out contracts/cache web/node_modules \
	  src/gatllm/market/abi src/gatllm/service/static/vendor
