# Recipes for working on the project; `just` lists them.

default:
    @just --list

# Everything that CI checks, or the steps that are named
check *steps:
    .ci/run {{ steps }}

# All tests, on SQLite and on a Postgres that the tests start
test *arguments:
    uv run --all-extras --group test pytest -n auto {{ arguments }}

# Random operations on SQLite and on Postgres, compared with a model; a million by default, which takes a day
soak steps="1000000":
    uv run --all-extras --group test python -m tests.stress --steps {{ steps }}

# Bad input of every kind, so much of each
fuzz examples="20000":
    ZEP_TEST_FUZZ={{ examples }} uv run --all-extras --group test pytest -n auto tests/test_fuzz.py

lint:
    .ci/run lint

types:
    .ci/run types

layers:
    .ci/run layers

# Some of the tests with the lowest versions that pyproject.toml allows
lowest:
    .ci/run lowest

# Write the async twins of blocking methods; `just twins --check` only looks
twins *arguments:
    uv run --group lint python -m tools.twins {{ arguments }}

# The terminal chat
chat *arguments:
    uv run --extra langchain examples/chat.py {{ arguments }}
