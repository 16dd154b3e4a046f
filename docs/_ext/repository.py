"""Links to `configs/FOLDER/README.md`, as they work in a checkout, lead to the folder's page of the model zoo."""

import posixpath
import re

from sphinx.application import Sphinx

README = re.compile(r'\]\((?:\.\./)+configs/(\w+)/README\.md(?:#[^)]*)?\)')


def to_zoo(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the links of a page."""
    folder = posixpath.dirname(page) or '.'
    source[0] = README.sub(lambda match: f']({posixpath.relpath(f"zoo/{match[1]}.md", folder)})', source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace links when pages are read."""
    app.connect('source-read', to_zoo)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
