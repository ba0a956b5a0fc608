# What CI runs and what a person runs is the same. Needs only Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EMPLOYEES ?= 2000
YEARS ?= 20

.PHONY: demo test lint types docs bench lock clean

demo: $(READY)  ## the main job on a synthetic enterprise, from five systems to one dataset
	@rm -rf demo
	@$(BIN)/potable init --example attrition demo
	@$(BIN)/python -m potable.estate make demo/estate --employees $(EMPLOYEES) --years $(YEARS) --seed 7
	@cp demo/estate/estate.env demo/.env
	@$(BIN)/python -m potable.estate serve demo/estate -- $(BIN)/potable -C demo run
	@$(BIN)/potable -C demo show employee_attrition

test: $(READY)  ## all tests
	@$(BIN)/python -m pytest -q -n 2

lint: $(READY) types  ## style, types, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: $(READY)
	@$(BIN)/mypy

docs: $(READY)  ## renew docs/reference from the code
	@$(BIN)/python docs/generate.py

bench: $(READY)  ## time and memory against a plain parse of the same bytes (EMPLOYEES=20000 by default)
	@$(BIN)/python bench/main_job.py

lock:  ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Potable needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
