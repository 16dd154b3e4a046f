"""Comparison of the parameters and multiply-adds that the papers print with those of our models."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import yaml

from .complexity import count_multiply_adds, count_parameters
from .paper_models import build, input_shape

FIGURES = Path(__file__).with_name('paper_figures.yaml')
PARAMS_TOLERANCE, GFLOPS_TOLERANCE = 0.015, 0.03
# tables that print multiply-adds in units of 10¹² with one decimal, by (family, table)
PRINTED_IN_TERA = {('smvit', '10'), ('uniformerv2', '1'), ('uniformerv2', '4')}
# reasons why rows cannot hold, by id
_L_IMAGE = (
    '218 M means that channels expand in the MLP, which costs {mlp} G; the printed cost means that they expand in '
    'attention, with {attn} M'
)
_SMVIT_COCO = (
    'stages 3 and 4 attend globally, as in all of the paper: on 1024², attention products are {attention} G, and all '
    'else is {rest} G; the printed cost has no room for all of the products, no single fraction of them yields B, B+ '
    'and L, and the paper names no windows for detection'
)
REASONS = {
    'mvit-s-16x4-max': "table 3c's blocks with keys and values on 7×7 places, as in MViT-B, cost 29.8 G; no "
    'other stride, kernel or skip connection of the paper gives 32.9',
    # all other strides of tables 14 and A.3 hold, and so does no pooling on images
    'mvit-b-kv-none': '25 089² pairs make stage 1 alone 121 G, beside 55 G of linear layers; the printed cost equals '
    'the pooled model, 70.3 G, plus one of the two products of stage 1',
    'mvitv2-l-image': _L_IMAGE.format(mlp='43.7', attn='213.6'),
    'mvitv2-l-image-384': _L_IMAGE.format(mlp='145.5', attn='213.8'),
    'smvit-b-mask-rcnn': _SMVIT_COCO.format(attention='205', rest='523'),
    'smvit-bplus-mask-rcnn': 'table 2 has 18 M more for B+ than for B, as it is here, and table 10 has 40 M more; '
    + _SMVIT_COCO.format(attention='239', rest='590'),
    'smvit-l-mask-rcnn': _SMVIT_COCO.format(attention='697', rest='1146'),
}


@dataclass(frozen=True)
class Figure:
    """A printed number and ours.

    Attributes:
        printed: Printed number as text, since its digits show its precision.
        ours: Our number in the same unit.
        tolerance: Largest difference between the two for which the figure holds.
    """

    printed: str
    ours: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether our number is within the tolerance."""
        return abs(self.ours - float(self.printed)) <= self.tolerance

    def __str__(self) -> str:
        off = self.ours / float(self.printed) - 1
        return f'{self.printed} / {self.ours:.2f} ({off:+.1%})'


@dataclass(frozen=True)
class Row:
    """A row of the file, measured.

    Attributes:
        name, family, table: Id of the row, its family and its table.
        params: Parameters in millions, or None if the paper prints none.
        gflops: Multiply-adds / 10⁹, or None if the paper prints none.
        reason: Reason why the row cannot hold, or None.
    """

    name: str
    family: str
    table: str
    params: Figure | None
    gflops: Figure | None
    reason: str | None

    @property
    def holds(self) -> bool:
        """Whether all printed figures hold."""
        return all(figure.holds for figure in (self.params, self.gflops) if figure)

    @property
    def status(self) -> str:
        """'holds', 'not matched' with the reason, or 'DIFFERS'."""
        if self.holds:
            return 'holds'
        return f'not matched: {self.reason}' if self.reason else 'DIFFERS'

    @property
    def fails(self) -> bool:
        """Whether the row does not hold and has no reason."""
        return not self.holds and not self.reason


def half_a_unit(printed: str) -> float:
    """Half a unit of the last digit of a number: 0.05 of '83.6', 0.5 of '170'."""
    number = Decimal(printed)
    last = number.adjusted() - len(number.as_tuple().digits) + 1  # exponent of the last digit
    return float(Decimal(1).scaleb(last)) / 2


def tolerance(printed: str, relative: float, unit: str = '1') -> float:
    """Tolerance of a figure: a fraction of it or half a unit of its last printed digit, whichever is wider.

    Args:
        printed: Printed number.
        relative: Fraction of it.
        unit: Smallest unit of the table, if coarser than the digits of the number. Defaults to '1'.
    """
    return max(relative * float(printed), half_a_unit(printed), half_a_unit(unit))


def read() -> dict[str, list[dict]]:
    """Rows of the file by family, with numbers as strings."""
    return yaml.load(FIGURES.read_text(encoding='utf-8'), Loader=yaml.BaseLoader)


def measure(family: str, row: dict) -> Row:
    """Compare a row of the file with our model."""
    model = build(family, row)
    params = gflops = None
    if 'params_m' in row:
        total, trainable = count_parameters(model)
        parameters = trainable if row.get('note') == 'trainable parameters' else total
        params = Figure(row['params_m'], parameters / 1e6, tolerance(row['params_m'], PARAMS_TOLERANCE))
    if 'gflops' in row:
        views = int(row.get('over', 1))
        multiply_adds = views * sum(count_multiply_adds(model, (3, *input_shape(row))).values())
        unit = '1E+2' if (family, row['table']) in PRINTED_IN_TERA else row['gflops']
        gflops = Figure(row['gflops'], multiply_adds / 1e9, tolerance(row['gflops'], GFLOPS_TOLERANCE, unit))
    return Row(row['id'], family, row['table'], params, gflops, REASONS.get(row['id']))


def compare(families: Sequence[str] | None = None) -> list[Row]:
    """Compare all rows of some families.

    Args:
        families: Names of the families. Defaults to all.

    Raises:
        ValueError: If the file does not have a family; the message lists those that it has.
    """
    rows = read()
    unknown = [family for family in families or [] if family not in rows]
    if unknown:
        raise ValueError(f'no family {", ".join(unknown)}: choose from {", ".join(rows)}')
    return [measure(family, row) for family in families or rows for row in rows[family]]
