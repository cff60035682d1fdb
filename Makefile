# `make demo` and `make test` need nothing but Python 3.11 or newer: they make .venv.

PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$candidate"; break; }; done)
BIN := .venv/bin
INSTALLED := .venv/installed
PIP := -m pip install --quiet --quiet --no-input --disable-pip-version-check \
	--no-warn-script-location --root-user-action=ignore
COMPAT_VERSIONS := 1.6.1 1.7.2 1.8.0
COMPAT_TESTS := tests/test_sklearn_contract.py tests/test_saved_models.py
LOWEST := .compat/lowest
# Quick ones, for what other releases could do otherwise.
LOWEST_TESTS := tests/search/test_batched_fits.py $(addprefix tests/test_, \
	sklearn_contract.py classifier.py blas_threads.py lbfgs.py forward.py \
	saved_models.py progress.py)
# Older releases call each other in ways that those announce to end: their business,
# so the two kinds of announcement are no errors here.
ANNOUNCED := -W ignore::DeprecationWarning -W ignore::FutureWarning

# scikit-learn skips its array API check unless scipy is told at import.
export SCIPY_ARRAY_API := 1
# Idle OpenMP threads sleep: where other processes want the cores, boosted trees take
# minutes for what takes a second.
export OMP_WAIT_POLICY := passive

.DELETE_ON_ERROR:
.PHONY: help demo test lint slow mutants compat compat-lowest \
	$(COMPAT_VERSIONS:%=compat-%) clean

help:
	@echo "make demo    train, tune, save, load and score on real data"
	@echo "make test    lint, types, fast tests, doctests, the README's blocks"
	@echo "make lint    ruff and mypy only"
	@echo "make slow    the tests that take minutes"
	@echo "make compat  contract and model files on scikit-learn $(COMPAT_VERSIONS),"
	@echo "             and more on every dependency's lower bound"
	@echo "make mutants what the tests say to small faults in the code; takes minutes"
	@echo "make clean   remove .venv, .compat, caches and build output"

demo: $(INSTALLED)
	@$(BIN)/python -m torch_binary_classifier demo

# One thread each for two processes; tests of threads set how many there are.
test: export OMP_NUM_THREADS := 1
test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow --timeout 1800

mutants: $(INSTALLED)
	$(BIN)/python tests/mutants.py

compat: $(COMPAT_VERSIONS:%=compat-%) compat-lowest

$(COMPAT_VERSIONS:%=compat-%): compat-%: .compat/scikit-learn-%/installed
	PYTHONPATH=$(dir $<) $(BIN)/python -c \
		'import sklearn; print("scikit-learn", sklearn.__version__); assert sklearn.__version__ == "$*"'
	PYTHONPATH=$(dir $<) $(BIN)/python -m pytest $(COMPAT_TESTS) $(ANNOUNCED)

compat-lowest: $(LOWEST)/installed
	$(LOWEST)/bin/python -m pytest $(LOWEST_TESTS) $(ANNOUNCED)

.compat/scikit-learn-%/installed: | $(INSTALLED)
	@rm -rf $(@D)
	@$(BIN)/python $(PIP) --no-deps --target $(@D) scikit-learn==$*
	@touch $@

# By Python 3.11, the last one for which all of these releases are built.
$(LOWEST)/installed: pyproject.toml constraints-lowest.txt
	@rm -rf $(@D)
	@python3.11 -m venv $(@D)
	@$(@D)/bin/python $(PIP) --constraint constraints-lowest.txt --editable . \
		hypothesis pandas pytest pytest-timeout
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer must be on the PATH." >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv with $(PYTHON)"; $(PYTHON) -m venv .venv; }
	@echo "Installing into .venv (the first time takes some minutes)"
	@$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .compat .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
