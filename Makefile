# The two commands of a newcomer: `make run` and `make test`. Everything runs in .venv, made by `setup`.
PYTHON ?= python3
PORT ?= 8000
VAR ?= var/demo
FROM ?= .
SOURCE ?= aws_cur
ARGS ?=

bin := .venv/bin
# Settings for tools that only need to import the product: nothing of .env, no secrets.
neutral := env FINOPS_READ_DOTENV=0 FINOPS_TESTING=1 DATABASE_URL= REDIS_URL= FINOPS_LAKE_URL=

.PHONY: help setup run reset test check format lock e2e focus bench lint ingest detect exit-tests clean

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

setup:  ## make .venv from the lock, and .env; a second call is done at once
	@PYTHON="$(PYTHON)" tools/setup.sh

run: setup  ## start the product with simulated data (PORT=8000, VAR=var/demo)
	@exec $(bin)/python manage.py dev --port "$(PORT)" --var "$(VAR)"

reset: setup  ## remove the data of `make run`
	@$(bin)/python manage.py dev --reset --var "$(VAR)"

test: setup  ## run the tests on SQLite, or on DATABASE_URL and REDIS_URL (ARGS="-k money")
	$(bin)/python -m pytest -n auto $(ARGS)

e2e: setup  ## run the browser tests (needs Chromium)
	$(bin)/python -m pytest --override-ini addopts="--strict-markers --strict-config -ra" tests/e2e $(ARGS)

focus: setup  ## check our FOCUS export with the official validator (needs a Python of 3.12 or newer beside ours)
	$(bin)/python tools/focus_validate.py

lint: setup  ## style of Python, and of static/ and documents where node's packages are installed (npm ci)
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	@if [ -x node_modules/.bin/eslint ] && command -v npm >/dev/null 2>&1; then npm run --silent lint:node; \
	    else echo "ESLint and Prettier are left out: node's packages are not installed (npm ci)."; fi

check: lint  ## lint, and all else that needs no running: types, layers, unfinished code, migrations, deployment
	$(neutral) $(bin)/mypy .
	$(neutral) $(bin)/lint-imports
	$(bin)/python tools/unfinished.py .
	$(neutral) $(bin)/python manage.py makemigrations --check --dry-run
	@echo "manage.py check --deploy, on production settings"
	@env DEBUG=false FINOPS_READ_DOTENV=0 ALLOWED_HOSTS=finops.example.com HTTPS_ONLY=true \
	    SECRET_KEY="$$($(bin)/python -c 'import secrets; print(secrets.token_urlsafe(45))')" \
	    $(bin)/python manage.py check --deploy --fail-level WARNING

format: setup  ## let the tools put code and documents into shape
	$(bin)/ruff check --fix .
	$(bin)/ruff format .
	@if [ -x node_modules/.bin/prettier ] && command -v npm >/dev/null 2>&1; then npm run --silent format:node; fi

lock: setup  ## write the locks anew from pyproject.toml
	$(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --group dev -o requirements-dev.lock
	$(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock pyproject.toml -o requirements.lock

ingest: setup  ## load deliveries (FROM=folder SOURCE=aws_cur)
	$(bin)/python manage.py ingest --source "$(SOURCE)" --from "$(FROM)" $(ARGS)

bench: setup  ## measure one figure (FIGURE=pages); without it, list them
ifdef FIGURE
	$(bin)/python "bench/$(FIGURE).py" $(ARGS)
else
	@for file in bench/[a-z]*.py; do name=$${file#bench/}; echo "make bench FIGURE=$${name%.py}"; done
endif

detect exit-tests:
	@echo "Detection and its exit tests come with a later version: there is nothing to run yet." >&2; exit 2

clean:  ## remove .venv, node packages and what tools cached; data in var/ stays
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./var -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
