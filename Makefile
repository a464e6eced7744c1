# make train, make test, make faults, make lint, make bench, make docs: each sets up what it needs, from a bare clone on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test faults lint bench docs clean

train: $(VENV)/.installed
	$(BIN)/rnnexp train task=delayed_discrim latent_step=ALRNN

# Tests run side by side, so each process gets one thread.
test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

# The long form of the tests: hundreds of damages to each file, every planted configuration through whole commands, kills
# and failures on each launcher, every case of what make test thins out.
faults: $(VENV)/.installed-test
	RNNEXP_FAULTS=long OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/.installed
	$(BIN)/python scripts/benchmark.py

# The site, in build/docs; the tutorials and the gallery are run, and warnings are errors.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

$(VENV)/.installed-lint: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt "ruff"
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
