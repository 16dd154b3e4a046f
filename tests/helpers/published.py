"""The files of docs/checkpoints.yml, read by the script that writes tables of them."""

import importlib.util

from helpers import ROOT

_spec = importlib.util.spec_from_file_location('published', ROOT / 'tools' / 'dev' / 'published.py')
PUBLISHED = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(PUBLISHED)
File = PUBLISHED.File
FILES: list[File] = list(PUBLISHED.files(PUBLISHED.load()))
