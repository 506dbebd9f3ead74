# make demo      the package on real data: a table, and pictures in ./demo_output
# make test      linters, type checks and the quick test suite
# make test-all  the same with all tests
# make lint      linters and type checks alone
# make docs      the documentation, in docs/_build/html
#
# Each builds its own virtual environment first, and again only when pyproject.toml
# or constraints.txt has changed. On Linux the default index brings torch with CUDA
# (several GB); for the CPU build say
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

# Two workers of one thread each use two cores better than one worker of two threads.
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
	$(VENV)/bin/python -m sphinx -b html docs docs/_build/html

clean:
	rm -rf build dist docs/_build docs/gallery demo_output *.egg-info

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e ".[docs]"
	touch $@
