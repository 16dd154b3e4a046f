"""Results on disk: a JSON file for each set of settings, which holds the settings, too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmhvt.engine.durable import write_durably

from .experiments import RUNS, Training, digest


@dataclass(frozen=True)
class Store:
    """A folder of results.

    Attributes:
        folder: Where they are.
    """

    folder: Path = RUNS / 'results'

    def path(self, settings: Mapping[str, Any]) -> Path:
        """File of a result."""
        return self.folder / f'{digest(settings)}.json'

    def load(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result of exactly these settings; None if there is none, or a file that does not hold it whole."""
        try:
            content = json.loads(self.path(settings).read_text())
            return content['result'] if content['settings'] == settings else None
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return None

    def save(self, settings: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write a result, whole or not at all.

        Raises:
            OSError: If it cannot be written.
        """
        content = dict(settings=settings, result=result)
        write_durably(self.path(settings), (json.dumps(content, indent=1) + '\n').encode())

    def done(self, training: Training) -> dict[str, Any] | None:
        """The result of a training, and None also if its weights are wanted and gone."""
        is_pretraining = training.config.get('val_dataloader') is None
        if is_pretraining and not training.checkpoint.is_file():
            return None
        return self.load(training.settings)
