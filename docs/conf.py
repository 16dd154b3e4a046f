"""Sphinx configuration; `make docs` builds."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / '_ext'))

project = 'mmhvt'
author = 'the mmhvt authors'
release = (DOCS.parent / 'mmhvt' / 'version.py').read_text().split("'")[1]

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx_copybutton',
    'sphinx_design',
    'diagrams',
    'mathml',
    'registries',
    'repository',
    'zoo',
]
myst_enable_extensions = ['attrs_inline', 'colon_fence', 'dollarmath']
myst_heading_anchors = 3
autodoc_typehints = 'description'
html_theme = 'furo'
html_title = f'mmhvt {release}'
html_static_path = ['_static']
html_favicon = '_static/favicon.svg'  # browsers ask for one
html_css_files = ['mmhvt.css']
exclude_patterns = ['_build']
