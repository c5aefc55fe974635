"""A pytest plugin that leaves out the tests whose names, without parameters, `ZEP_LEFT_OUT` lists."""

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect each test that is left out."""
    names = set(os.environ["ZEP_LEFT_OUT"].split())
    out = [item for item in items if item.name in names or getattr(item, "originalname", None) in names]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]
