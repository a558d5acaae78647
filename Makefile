# make demo | test | test-long | bench, each from a clean clone. Needs python3 >= 3.11; installs the rest.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Each worker has servers of its own, so there are few; one that is done takes over from the others.
PYTEST := -m pytest -q -n auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-long bench lint ruff mypy pyright format servers clean

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

# Side by side: each uses one core.
lint: $(READY)
	@$(MAKE) --no-print-directory -j --output-sync=target ruff mypy pyright

ruff: $(READY)
	$(VENV)/bin/ruff format --check -q .
	$(VENV)/bin/ruff check -q .

mypy pyright: $(READY)
	$(VENV)/bin/$@

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
