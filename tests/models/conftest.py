"""Tests of models."""

import sys

import pytest


@pytest.fixture(autouse=True)
def forget_graphs() -> None:
    """Each test compiles as the first: after other sizes in one before, a graph for any size would take minutes."""
    if 'torch._dynamo' in sys.modules:
        sys.modules['torch._dynamo'].reset()
