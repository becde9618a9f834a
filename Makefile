# Two commands set everything up on a machine with Python 3.11+, make and pip: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/.ready
BIN    := $(VENV)/bin

.PHONY: demo test check bench run clean
.DEFAULT_GOAL := demo

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)  ## embedded broker, simulated fleet, stand-in Slack workspace, and the bot itself
	$(BIN)/python -m sandbox

test: $(READY)  ## all tests; the ones that need a Debian package say so when they are skipped
	$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

check: $(READY)  ## style, types and the layers of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_layers.py

bench: $(READY)
	$(BIN)/python -m bench

run: $(READY)  ## the bot against real Slack, broker and database, as app.yaml and the environment say
	$(BIN)/muster run

clean:
	rm -rf $(VENV) .demo .demo.lock build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
