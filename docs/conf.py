"""Sphinx configuration; `make docs` builds."""

from pathlib import Path

project = 'mmhvt'
author = 'the mmhvt authors'
release = (Path(__file__).parents[1] / 'mmhvt' / 'version.py').read_text().split("'")[1]

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx_copybutton']
myst_heading_anchors = 3
autodoc_typehints = 'description'
html_theme = 'furo'
html_title = f'mmhvt {release}'
exclude_patterns = ['_build']
