"""Sphinx configuration; `make docs` builds."""

import re
from pathlib import Path

import mmhvt.registry

project = 'mmhvt'
author = 'the mmhvt authors'
release = (Path(__file__).parents[1] / 'mmhvt' / 'version.py').read_text().split("'")[1]

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx_copybutton']
myst_heading_anchors = 3
autodoc_typehints = 'description'
html_theme = 'furo'
html_title = f'mmhvt {release}'
exclude_patterns = ['_build']


def registered(registry: str) -> str:
    """Documentation of all classes of a registry, so that none can be missing."""
    modules = getattr(mmhvt.registry, registry)
    modules.import_from_location()
    names: dict[type, list[str]] = {}
    for name, cls in modules.module_dict.items():
        names.setdefault(cls, []).append(f"``type='mmhvt.{name}'``")
    lines = []
    for cls, types in sorted(names.items(), key=lambda item: (item[0].__module__, item[0].__name__)):
        lines += [f'.. autoclass:: {cls.__module__}.{cls.__name__}', '   :show-inheritance:', '']
        lines += [f'   In configs: {" or ".join(types)}', '']
    return '\n'.join(['```{eval-rst}', *lines, '```'])


def list_registered(app: object, docname: str, source: list[str]) -> None:
    """Fill in `<!-- registered: MODELS -->` and its like."""
    source[0] = re.sub(r'<!-- registered: (\w+) -->', lambda match: registered(match[1]), source[0])


def setup(app: object) -> None:
    app.connect('source-read', list_registered)
