# make demo | test | test-long | bench, each from a clean clone. Needs python3 >= 3.11; installs the rest.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
SIDE_BY_SIDE := $(MAKE) --no-print-directory -j --output-sync=target
# A module compiled once is not compiled again in each of the thousand processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE
# Each worker has servers of its own, so there are few; one that is done takes over from the others.
# Thousands of tests race with real servers on noisy machines: a few may try once more, and the end says which and why.
AGAIN := --reruns 1 --max-suite-reruns 4 --rerun-show-tracebacks
PYTEST := -m pytest -q -n auto --maxprocesses 4 --dist worksteal $(AGAIN)

.PHONY: demo test test-long bench lint ruff mypy pyright format servers clean

demo: $(READY)
	@$(VENV)/bin/storescope demo

test: $(READY)
	@$(SIDE_BY_SIDE) ruff mypy pyright servers
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

# Each uses one core.
lint: $(READY)
	@$(SIDE_BY_SIDE) ruff mypy pyright

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
