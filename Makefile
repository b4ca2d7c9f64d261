# Two commands do everything on a fresh machine with Python 3.11+ and make: `make sweep` and `make test`.
PYTHON ?= python3
VENV ?= .venv
CHROMIUM ?= chromium
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: sweep test test-long lint bench gallery clean

sweep: $(VENV)/.run ## the main job: 16 trials on the bundled reviews, report and exported model
	$(BIN)/harness sweep studies/quickstart.yaml

test: $(VENV)/.dev lint ## lint, types and tests, two at a time
	$(PYTEST)

test-long: $(VENV)/.dev lint ## the same with the tests that take long
	$(PYTEST) -m "long or not long" --hypothesis-profile long

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.run: pyproject.toml setup.py constraints.txt harness/training/fast/_one_pass.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[quickstart]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) --editable '.[dev]'
	touch $@

gallery: sweep ## the README's picture: the first screen of the quickstart's report (needs Chromium)
	$(BIN)/harness report runs/quickstart
	$(CHROMIUM) --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir=build/chromium \
	  --window-size=1280,900 --virtual-time-budget=20000 --screenshot=reports/quickstart.png \
	  'file://$(CURDIR)/reports/quickstart/index.html'

bench: $(VENV)/.dev ## speed by ratio to a matrix product, against the committed baseline; about a minute
	mkdir -p build
	$(BIN)/python -m pytest benchmarks --batch-size 32 --length 64 --precision auto,fp32 --benchmark-json=build/bench.json
	$(BIN)/python benchmarks/check.py build/bench.json

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
