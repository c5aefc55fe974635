# Recipes for working on the project; `just` lists them.

default:
    @just --list

# Everything that CI checks
check: test lint types layers

# All tests, on SQLite and on a Postgres that the tests start
test *arguments:
    uv run --all-extras --group test pytest -n auto {{ arguments }}

lint:
    uv run --group lint ruff format --check .
    uv run --group lint ruff check .

types:
    uv run --all-extras --group lint mypy
    uv run --all-extras --group lint pyright

layers:
    uv run --all-extras --group lint lint-imports

# The terminal chat
chat *arguments:
    uv run --extra langchain examples/chat.py {{ arguments }}
