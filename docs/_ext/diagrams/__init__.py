"""Diagrams as a directive: ```` ```{diagram} mvit-stages ```` draws one, with the directive's content as its caption.

A diagram is SVG within the page. Its colors are those of the theme (docs/_static/diagrams.css), and its numbers come
from the models.
"""

from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from . import mvit, smvit, uniformerv2, video_swin

DIAGRAMS: dict[str, Callable[[], str]] = {
    'mvit-stages': mvit.mvit_stages,
    'mvit-attention': mvit.mvit_attention,
    'mvitv2-attention': mvit.mvitv2_attention,
    'mvitv2-positions': mvit.mvitv2_positions,
    'smvit-stages': smvit.smvit_stages,
    'smvit-units': smvit.smvit_units,
    'smvit-mae': smvit.smvit_mae,
    'swin-stages': video_swin.swin_stages,
    'swin-windows': video_swin.swin_windows,
    'swin-shift': video_swin.swin_shift,
    'uniformerv2-model': uniformerv2.uniformerv2_model,
    'uniformerv2-blocks': uniformerv2.uniformerv2_blocks,
    'uniformerv2-fusion': uniformerv2.uniformerv2_fusion,
}


class Diagram(SphinxDirective):
    """A diagram by its name, with a caption."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """A figure with the SVG, which only HTML shows."""
        name = self.arguments[0]
        if name not in DIAGRAMS:
            raise self.error(f'no diagram {name!r}: choose from {", ".join(DIAGRAMS)}')
        figure = nodes.figure('', nodes.raw('', DIAGRAMS[name](), format='html'), classes=['diagram'])
        if self.content:
            words, messages = self.parse_inline(' '.join(self.content), lineno=self.content_offset)
            figure += nodes.caption('', '', *words)
            figure += messages
        return [figure]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its style sheet."""
    app.add_directive('diagram', Diagram)
    app.add_css_file('diagrams.css')
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
