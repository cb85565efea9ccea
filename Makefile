# Everything runs in a virtual environment that this file makes; nothing else has to be typed before `make demo`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run side by side, but not on a server that they share.
TEST_PROCESSES ?= $(if $(AEROSPIKE_TEST_HOST),0,2)
PYTEST := $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-engines lint bench lab notebooks jar server clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## make the virtual environment and install everything

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aerospike_magic needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $(STAMP)

demo: $(STAMP)  ## run a %%aerosql cell over 336,776 flights in the embedded server
	@$(BIN)/aerospike-magic demo

test: $(STAMP)  ## run the tests (against AEROSPIKE_TEST_HOST=host:port, or the embedded server)
	$(PYTEST) $(ARGS)

test-engines: $(STAMP)  ## run the tests on a real Trino and Presto, downloaded first: about 1 GB, once
	AEROSPIKE_MAGIC_TRINO=1 $(PYTEST) -m trino

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## measure against the alternatives; prints ratios, writes benchmarks/results/
	$(BIN)/python -m benchmarks

lab: $(STAMP)  ## open JupyterLab with the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

notebooks: $(STAMP)  ## run 02_spark.ipynb and 03_trino.ipynb again and keep what they show
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
		--ExecutePreprocessor.store_widget_state=False \
		notebooks/02_spark.ipynb notebooks/03_trino.ipynb

jar: $(STAMP)  ## build the jar that plans Spark's push-down, when jvm/ has changed
	$(BIN)/python jvm/build.py

server: $(STAMP)  ## run the embedded server with the demo data on port 3000
	$(BIN)/aerospike-magic server --port 3000 --demo

clean:  ## remove what the other targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
