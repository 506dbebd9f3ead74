# make demo      run the package on real data; figures go to ./demo_output
# make test      linters, type checks and the quick test suite
# make test-all  linters, type checks and all tests
# make lint      linters and type checks
# make docs      build the documentation in docs/_build/html
# make clean     remove build outputs
#
# Each command except clean creates the virtual environment first, and updates it if
# pyproject.toml or constraints.txt has changed. On Linux the default index installs
# torch with CUDA (several GB). To use the CPU build, run
#
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
VENV ?= .venv
PIP ?= $(VENV)/bin/python -m pip
PIP_ARGS ?=
DEMO_OUTPUT ?= demo_output
WORKERS ?= 2

TESTS ?= -m "not slow"

.PHONY: demo test test-all lint docs clean

demo: $(VENV)/.installed
	$(VENV)/bin/python examples/demo.py $(DEMO_OUTPUT)

# On two cores, two workers of one thread are faster than one worker of two threads.
test: lint
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 \
		$(VENV)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(TESTS) $(PYTEST_ARGS)

test-all:
	$(MAKE) test TESTS=

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/codespell
	$(VENV)/bin/mypy

docs: $(VENV)/.installed-docs
	$(VENV)/bin/python -m sphinx -W -b html docs docs/_build/html

clean:
	rm -rf build dist docs/_build docs/gallery docs/api demo_output *.egg-info

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e ".[docs]"
	touch $@
