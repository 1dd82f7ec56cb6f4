# Two commands matter: `make demo` and `make test`. Everything else is a part of them.
.DEFAULT_GOAL := help
bin := .venv/bin
lock := uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q

.PHONY: help setup demo test tempest unit lint format docs check lock clean

help: ## Say what there is
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Install what is missing: Debian packages, uv, the project's environment
	@infra/setup.sh

demo: setup ## From a fresh machine to a commune's portal on a real OpenStack
	@$(bin)/agglo dev up
	@$(bin)/agglo apply schiltigheim --yes

test: setup lint ## Every test, with one run of the whole path on an embedded cloud of its own (minutes)
	@$(bin)/pytest

tempest: setup ## OpenStack's own tests on an embedded cloud of their own (an hour); ARGS="identity --keep"
	@$(bin)/python -m agglo_devcloud.tempest $(ARGS)

unit: ## The tests that need no root and no cloud (seconds)
	@infra/setup.sh --python-only
	@$(bin)/pytest -m 'not integration'

lint: ## ruff, mypy --strict, import-linter, yamllint, ansible-lint
	@infra/setup.sh --python-only
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/mypy bench
	@$(bin)/lint-imports
	@$(bin)/yamllint --strict .
	@$(bin)/ansible-lint --offline -q

format: ## Let ruff format the code
	@$(bin)/ruff check --fix .
	@$(bin)/ruff format .

docs: ## Make the generated parts of docs/ again: the reference of commands, the schemas of files
	@infra/setup.sh --python-only
	@$(bin)/python -m agglo_cli.reference docs

check: lint unit ## What to run before a commit

lock: ## Make the locks in requirements/ again from the .in files and pyproject.toml
	$(lock) --universal --extra dev pyproject.toml requirements/project.in -o requirements/project.txt
	$(lock) --python-platform linux --no-annotate requirements/devcloud.in -o requirements/devcloud.txt
	$(lock) --python-platform linux --no-annotate requirements/tempest.in -o requirements/tempest.txt
	$(lock) --universal requirements/go.in -o requirements/go.txt
	$(lock) --universal requirements/uv.in -o requirements/uv.txt

clean: ## Remove what this clone made; caches (~/.cache/agglo) and the embedded clouds stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
