# make demo | test | test-long | bench, each from a clean clone. Needs python3 >= 3.11; installs the rest.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PYTEST := -m pytest -q -n auto --maxprocesses 4 --dist worksteal # each worker has servers of its own

.PHONY: demo test test-long bench lint format servers clean

demo: $(READY)
	@$(VENV)/bin/storescope demo

test: lint servers
	$(PY) -m coverage erase
	$(PY) -m coverage run $(PYTEST)
	$(PY) -m coverage combine -q
	$(PY) -m coverage report

# The same tests with the full numbers of rounds.
test-long: export STORESCOPE_ROUNDS_SCALE := 30
test-long: export STORESCOPE_LONG := 1
test-long: servers
	$(PY) $(PYTEST) -o timeout=3600

bench: servers
	$(PY) -m benchmarks

lint: $(READY)
	$(VENV)/bin/ruff format --check -q .
	$(VENV)/bin/ruff check -q .
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright

format: $(READY)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

servers: $(READY)
	@tests/install-servers

$(READY): pyproject.toml
	@tests/make-venv $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
