"""Drawing of SVG that takes its font and colors from the page, by the classes of docs/_static/diagrams.css.

Lengths are in units of the view box. Diagrams are :data:`WIDTH` wide: text of 13 units stays legible on a phone.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH = 480
SIZE, SMALL = 14, 12.5  # of fonts
HEAD = 7  # length and width of an arrow's head

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle, and where arrows meet it."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> Point:
        """Center."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def top(self) -> Point:
        """Middle of the upper side."""
        return self.middle[0], self.y

    @property
    def bottom(self) -> Point:
        """Middle of the lower side."""
        return self.middle[0], self.y + self.height

    @property
    def left(self) -> Point:
        """Middle of the left side."""
        return self.x, self.middle[1]

    @property
    def right(self) -> Point:
        """Middle of the right side."""
        return self.x + self.width, self.middle[1]


class Text(NamedTuple):
    """A line of text; `words` may have `_{…}` and `^{…}`."""

    x: float
    y: float  # of the baseline
    words: str
    size: float
    anchor: str  # start, middle or end


def number(value: float) -> str:
    """A coordinate with two decimals at most."""
    return f'{value:.2f}'.rstrip('0').rstrip('.')


def count(value: int) -> str:
    """A number with thousands apart, by a narrow space that does not break."""
    return f'{value:,}'.replace(',', '\u202f')


def times(sides: Iterable[int]) -> str:
    """8×56×56."""
    return '×'.join(map(str, sides))


def scripts(words: str) -> Iterator[tuple[str, str]]:
    """Parts of a text, each with '' for the line, '_' for below it or '^' for above it."""
    parts = re.split(r'([_^])\{([^}]*)\}', words)
    yield '', parts[0]
    for kind, raised, plain in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        yield kind, raised
        yield '', plain


class Canvas:
    """A picture in the making.

    Args:
        title: What screen readers say.
        height: Height; may be set later. Defaults to 0.
        width: Width. Defaults to :data:`WIDTH`.
    """

    def __init__(self, title: str, height: float = 0, width: float = WIDTH):
        self.title, self.width, self.height = title, width, height
        self.elements: list[str] = []
        self.texts: list[Text] = []

    def svg(self) -> str:
        """The picture as an element of HTML."""
        body = ''.join(self.elements)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {number(self.width)} '
            f'{number(self.height)}"><title>{escape(self.title)}</title>{body}</svg>'
        )

    def rect(self, x: float, y: float, width: float, height: float, style: str = 'dg-box', radius: float = 6) -> Box:
        """A rectangle in a style of the style sheet."""
        sides = ' '.join(
            f'{key}="{number(value)}"' for key, value in dict(x=x, y=y, width=width, height=height, rx=radius).items()
        )
        self.elements.append(f'<rect class="{style}" {sides}/>')
        return Box(x, y, width, height)

    def polygon(self, points: Sequence[Point], style: str) -> None:
        """A filled shape."""
        corners = ' '.join(f'{number(x)},{number(y)}' for x, y in points)
        self.elements.append(f'<polygon class="{style}" points="{corners}"/>')

    def lines(self, lines: Iterable[Sequence[Point]], style: str = 'dg-line') -> None:
        """Lines through points, all as one element."""
        path = ''.join('M' + 'L'.join(f'{number(x)} {number(y)}' for x, y in points) for points in lines)
        self.elements.append(f'<path class="{style}" d="{path}"/>')

    def arrow(self, *points: Point, style: str = 'dg-line') -> None:
        """A line through points with a head at the last one."""
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        neck = x1 - HEAD * dx, y1 - HEAD * dy
        self.lines([[*points[:-1], neck]], style)
        side = HEAD / 2
        head = [(x1, y1), (neck[0] - side * dy, neck[1] + side * dx), (neck[0] + side * dy, neck[1] - side * dx)]
        self.polygon(head, style.replace('dg-line', 'dg-head'))

    def text(
        self, x: float, y: float, words: str, *, size: float = SIZE, anchor: str = 'middle', style: str = 'dg-text'
    ) -> None:
        """A line of text on a baseline."""
        self.texts.append(Text(x, y, words, size, anchor))
        spans, level = [], 0.0
        for kind, part in scripts(words):
            shift = {'': 0.0, '_': 0.28, '^': -0.38}[kind] * size
            if part:
                move = f' dy="{number(shift - level)}"' if shift != level else ''
                small = f' font-size="{number(0.75 * size)}"' if kind else ''
                spans.append(f'<tspan{move}{small}>{escape(part)}</tspan>')
                level = shift
        self.elements.append(
            f'<text class="{style}" x="{number(x)}" y="{number(y)}" font-size="{number(size)}" '
            f'text-anchor="{anchor}">{"".join(spans)}</text>'
        )

    def note(self, x: float, y: float, words: str, anchor: str = 'middle') -> None:
        """Small text in a quiet color."""
        self.text(x, y, words, size=SMALL, anchor=anchor, style='dg-note')

    def box(self, x: float, y: float, width: float, height: float, *lines: str, style: str = 'dg-box') -> Box:
        """A box with a line of text, and smaller ones below it."""
        box = self.rect(x, y, width, height, style)
        heights = [SIZE, *(SMALL + 3.5 for _ in lines[1:])]
        baseline = box.middle[1] - sum(heights) / 2 + 0.82 * SIZE
        for index, line in enumerate(lines):
            if index:
                baseline += heights[index]
                self.note(box.middle[0], baseline, line)
            else:
                self.text(box.middle[0], baseline, line)
        return box

    def plus(self, x: float, y: float, style: str = 'dg-box') -> Box:
        """A sum."""
        radius = 9
        self.elements.append(f'<circle class="{style}" cx="{number(x)}" cy="{number(y)}" r="{radius}"/>')
        self.lines([[(x - 4.5, y), (x + 4.5, y)], [(x, y - 4.5), (x, y + 4.5)]])
        return Box(x - radius, y - radius, 2 * radius, 2 * radius)

    def grid(
        self, x: float, y: float, rows: int, columns: int, side: float, styles: Sequence[str] = (), lines: bool = True
    ) -> Box:
        """Square cells row by row.

        Args:
            x: Left side.
            y: Upper side.
            rows: Number of rows.
            columns: Number of columns.
            side: Side of a cell.
            styles: Style of each cell; '' for none. Defaults to none.
            lines: Whether to draw the lines between cells. Defaults to True.
        """
        for style in dict.fromkeys(styles):
            cells = [i for i, own in enumerate(styles) if own == style]
            if style:
                path = ''.join(
                    f'M{number(x + i % columns * side)} {number(y + i // columns * side)}h{number(side)}'
                    f'v{number(side)}h-{number(side)}z'
                    for i in cells
                )
                self.elements.append(f'<path class="{style}" d="{path}"/>')
        if lines:
            inner = [[(x + i * side, y), (x + i * side, y + rows * side)] for i in range(1, columns)]
            inner += [[(x, y + i * side), (x + columns * side, y + i * side)] for i in range(1, rows)]
            self.lines(inner, 'dg-thin')
        return self.rect(x, y, columns * side, rows * side, 'dg-frame', radius=0)
