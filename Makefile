# Everything here works with GNU Make 3.81, a POSIX shell and Python 3.11 or newer.

VENV = .venv
BIN = $(VENV)/bin
UV = uv
UVFLAGS =

.PHONY: help demo test judge-mail lint bench faults lock clean remake
.DEFAULT_GOAL := help

help:
	@echo 'make demo    the whole way on bundled papers: collect, rank, write mails to outbox/'
	@echo 'make test    the tests'
	@echo 'make judge-mail  mails of every layout before outside judges: mjml, SpamAssassin, axe, a browser ...'
	@echo 'make lint    style, types, layers'
	@echo 'make bench   the promised ratios, measured'
	@echo 'make faults  killed, refused, filled up: is anybody lost or mailed twice? FULL=1 kills more often; FAULT="F1 hold" one'
	@echo 'make lock    pin the dependencies anew, with hashes (needs uv; UVFLAGS=--upgrade for newer ones)'
	@echo 'make clean   remove the environment and the caches; mail and databases stay'

demo: $(VENV)/.runtime
	@$(BIN)/digest demo

test: $(VENV)/.dev
	@$(BIN)/python -m pytest

judge-mail: $(VENV)/.dev
	@$(BIN)/python tests/judges/mail.py build/judges

lint: $(VENV)/.dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

FULL =
FAULT =
faults: $(VENV)/.dev
	@PYTHONPATH=tests:. $(BIN)/python -m faults --kills $(if $(FULL),200,40) $(if $(FAULT),"$(FAULT)")

# --universal: one lock for Linux and macOS and every Python we support. The second is held to the first, so that
# the tests run with what users get. No host and no path ends up in them.
COMPILE = $(UV) pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate $(UVFLAGS) --group build
lock:
	@$(COMPILE) --output-file requirements.txt pyproject.toml
	@$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environment
#
# Two stamps in one environment: .runtime for the locked dependencies and digest itself, .dev for the tools on top.
# .runtime holds the folder it was made in and is away while anything is being installed. So an environment that was
# interrupted, moved or orphaned by a change of Python does not answer with this folder, and is made again.

ifneq ($(shell $(BIN)/python -c 'print(open("$(VENV)/.runtime").read().strip())' 2>/dev/null),$(CURDIR))
STALE = remake
endif

# Prefers a Python that can make environments; the same version may be here both with and without that (pyenv, Debian).
FIND_PYTHON = \
	python=; bare=; \
	for each in python3.14 python3.13 python3.12 python3.11 python3; do \
		$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		if $$each -c 'import venv, ensurepip' >/dev/null 2>&1; then python=$$each; break; fi; \
		bare=$${bare:-$$each}; \
	done; \
	if [ -z "$$python$$bare" ]; then \
		echo 'digest needs Python 3.11 or newer, and there is none here. To get it:'; \
		echo '  Debian 12, Ubuntu 24.04 or newer:  sudo apt-get install python3 python3-venv'; \
		echo '  Ubuntu 22.04:                      sudo apt-get install python3.11 python3.11-venv'; \
		echo '  Fedora:                            sudo dnf install python3'; \
		echo '  macOS:                             brew install python@3.13'; \
		exit 1; \
	fi >&2; \
	if [ -z "$$python" ]; then \
		version=`$$bare -c 'import sys; print("%d.%d" % sys.version_info[:2])'`; \
		echo "$$bare cannot make virtual environments: its venv or ensurepip module is missing. To get it:"; \
		echo "  Debian, Ubuntu:  sudo apt-get install python$$version-venv"; \
		echo "  Fedora:          sudo dnf install python3-libs python-pip-wheel"; \
		echo "  macOS:           brew install python@$$version"; \
		exit 1; \
	fi >&2

PIP_INSTALL = $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check

$(VENV)/.runtime: requirements.txt pyproject.toml $(STALE)
	@$(FIND_PYTHON); \
	echo "Making $(VENV) with `$$python --version` ..."; \
	rm -rf $(VENV) && $$python -m venv $(VENV)
	@echo "Installing `grep -c == requirements.txt` locked packages ..."
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@echo 'Installing digest ...'
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@echo '$(CURDIR)' > $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo 'Installing the locked development tools ...'
	@mv $(VENV)/.runtime $(VENV)/.installing
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@mv $(VENV)/.installing $(VENV)/.runtime
	@touch $@
