from pathlib import Path

import pytest

from helpers.project import Project, moving_shapes


@pytest.fixture(scope='session')
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moving shapes, four clips for each of the eight classes."""
    return moving_shapes(tmp_path_factory.mktemp('shapes'))


@pytest.fixture
def project(clips: Path, tmp_path: Path) -> Project:
    """Writes configs and runs commands; returns what they print."""
    return Project(clips, tmp_path)
