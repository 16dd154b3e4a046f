"""The model zoo: a page for each folder of configs, a table of all of them, and plots of accuracy against cost.

Adds the object `recipe`, by which the site's search finds configs and names of published weights, its role, and the
directives `zoo-table` and `zoo-plot`. Pages of folders are written to docs/zoo, which git ignores, when a build begins.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import desc_signature
from sphinx.application import Sphinx
from sphinx.domains.std import GenericObject
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from . import pages
from .data import Zoo
from .plot import plot
from .table import table


class Html(nodes.General, nodes.Element):
    """HTML with links `zoo:PAGE#ANCHOR`, which the site's search leaves out: it leads to the pages of the folders."""


def visit_html(translator: HTML5Translator, node: Html) -> None:
    """Resolve the links."""
    builder = translator.builder

    def address(match: re.Match[str]) -> str:
        return f'href="{builder.get_relative_uri(builder.current_docname, f"zoo/{match[1]}")}#'

    translator.body.append(re.sub(r'href="zoo:(\w+)#', address, node['html']))
    raise nodes.SkipNode


class Recipe(GenericObject):
    """A config; `weights` are the names of published models that it builds, which are found as well."""

    option_spec = GenericObject.option_spec | {'weights': directives.unchanged}

    def add_target_and_index(self, name: str, sig: str, signode: desc_signature) -> None:
        """Note the config's name and those of the weights."""
        super().add_target_and_index(name, sig, signode)
        # one config is called like the weights that it is for
        for weights in {*self.options.get('weights', '').split()} - {name}:
            self.env.domains.standard_domain.note_object('weights', weights, signode['ids'][0], location=signode)


class _Part(SphinxDirective):
    """A part of a page that is made from all configs."""

    def html(self, zoo: Zoo) -> str:
        """The part."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Have the page read again when the data or this package change."""
        zoo: Zoo = self.env.app.mmhvt_zoo
        for path in [*zoo.sources, *Path(__file__).parent.glob('*.py')]:
            self.env.note_dependency(path)
        return [Html(html=self.html(zoo))]


class Table(_Part):
    """All configs."""

    def html(self, zoo: Zoo) -> str:
        """The table."""
        return table(zoo.entries)


class Plot(_Part):
    """Accuracy against cost on the data set that the argument names."""

    required_arguments = 1
    final_argument_whitespace = True

    def html(self, zoo: Zoo) -> str:
        """The plot."""
        return plot(zoo.entries, self.arguments[0])


def write_pages(app: Sphinx) -> None:
    """Write what has changed, before Sphinx looks for sources."""
    app.mmhvt_zoo = Zoo()
    pages.write(app.mmhvt_zoo, Path(app.srcdir, 'zoo'))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of the above."""
    app.add_node(Html, html=(visit_html, None))
    app.add_object_type('recipe', 'recipe', objname='recipe', ref_nodeclass=nodes.inline)
    app.add_directive_to_domain('std', 'recipe', Recipe, override=True)
    app.add_object_type('weights', 'weights', objname='published weights', ref_nodeclass=nodes.inline)
    for objects in ('recipe', 'weights'):  # before the pages that name them
        app.registry.domain_object_types['std'][objects].attrs['searchprio'] = 0
    app.add_directive('zoo-table', Table)
    app.add_directive('zoo-plot', Plot)
    app.connect('builder-inited', write_pages)
    app.add_css_file('zoo.css')
    app.add_js_file('zoo.js', loading_method='defer')
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
