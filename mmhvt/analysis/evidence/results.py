"""From results to statements: means and spreads over seeds, and whether a claim is shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from .experiments import MEASURED, Claim, Part
from .store import Store

# A difference counts if it is larger than so many of its standard errors. With three seeds a difference of nothing is
# once in 50 times, as Student's t of 4 degrees of freedom says.
ERRORS = 3
# ... and than this: accuracies are shares of a few hundred clips, costs are compared as ratios
LEAST_ACCURACY, LEAST_RATIO = 0.01, 1.05
# accuracies that differ less are the same, if they are so many times chance: what has learned nothing shows nothing
TOLERANCE, TIMES_CHANCE = 0.02, 2

SHOWN, OPPOSITE, NOT_SHOWN = 'shown', 'the opposite', 'not shown'
ACCURACIES = ('top1', 'top1_shuffled')


@dataclass(frozen=True)
class Number:
    """A cell of a table.

    Attributes:
        values: One for each seed; a single one where seeds make no difference.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return mean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; 0 for a single value."""
        return stdev(self.values) if len(self.values) > 1 else 0.0

    @property
    def variance_of_mean(self) -> float:
        """Square of the standard error of the mean."""
        return self.spread**2 / len(self.values)


Table = dict[tuple[str, str], Number]


@dataclass(frozen=True)
class Verdict:
    """What the results say about a claim.

    Attributes:
        says: The claim.
        paper: The paper's numbers.
        ours: Ours, in words.
        verdict: :data:`SHOWN`, :data:`OPPOSITE` or :data:`NOT_SHOWN`.
    """

    says: str
    paper: str | None
    ours: str
    verdict: str


@dataclass(frozen=True)
class Result:
    """All numbers of a part.

    Attributes:
        part: The part.
        table: Its cells.
        seconds: CPU time of its trainings.
        threads: Of the process that measured speed; None if nothing was measured.
    """

    part: Part
    table: Table
    seconds: float
    threads: int | None

    @property
    def verdicts(self) -> list[Verdict]:
        """On the claims, in order."""
        return [judge(claim, self.part, self.table) for claim in self.part.claims]

    def as_json(self) -> dict[str, Any]:
        """What :func:`from_json` reads, with the verdicts."""
        cells = [
            dict(variant=variant, column=column, values=number.values, mean=number.mean, spread=number.spread)
            for (variant, column), number in self.table.items()
        ]
        return dict(
            part=self.part.name,
            key=self.part.key,
            seeds=list(self.part.seeds),
            seconds=round(self.seconds),
            threads=self.threads,
            cells=cells,
            claims=[vars(verdict) for verdict in self.verdicts],
        )


def from_json(part: Part, content: Mapping[str, Any]) -> Result | None:
    """Results that :meth:`Result.as_json` wrote; None if they are of other settings.

    Raises:
        KeyError: If it wrote something else.
    """
    if content['key'] != part.key:
        return None
    table = {(cell['variant'], cell['column']): Number(tuple(cell['values'])) for cell in content['cells']}
    return Result(part, table, content['seconds'], content['threads'])


def collect(part: Part, store: Store) -> Result | int:
    """The results of a part, or the number of runs that it lacks."""
    trainings = part.trainings()
    records = {training.key: store.load(training.settings) for training in trainings.values()}
    speed_settings = part.speed_settings
    speed = None if speed_settings is None else store.load(speed_settings)
    missing = sum(record is None for record in records.values()) + (speed_settings is not None and speed is None)
    if missing:
        return missing
    table: Table = {}
    for variant, column in part.cells():
        metric = part.columns[column].metric
        if metric in MEASURED:
            assert speed is not None
            values = [speed[metric][variant]]
        else:
            found = [records[trainings[variant, column, seed].key] for seed in part.seeds]
            values = [record[metric] for record in found if record is not None]
            if metric not in ACCURACIES:  # of the model, whatever the seed
                values = values[:1]
        table[variant, column] = Number(tuple(values))
    once = {training.key: training for training in trainings.values()}
    before = {t.pretraining.key: store.load(t.pretraining.settings) for t in once.values() if t.pretraining}
    seconds = sum(record['seconds'] for record in (*records.values(), *before.values()) if record is not None)
    return Result(part, table, seconds, speed['threads'] if speed else None)


def judge(claim: Claim, part: Part, table: Mapping[tuple[str, str], Number]) -> Verdict:
    """Hold a claim against results.

    That one accuracy is higher is shown if the difference of the means is larger than :data:`ERRORS` of its standard
    errors, √(s₁² / n + s₂² / n), and than :data:`LEAST_ACCURACY`; if that holds of its negative, the opposite. Costs
    have no spread: their ratio has to reach :data:`LEAST_RATIO`. That two accuracies are the same is shown if their
    means differ by no more than :data:`TOLERANCE` and are :data:`TIMES_CHANCE` times chance or more. A single seed
    shows nothing about accuracies.
    """
    cells = claim.cells
    one, other = (table[cell] for cell in cells)
    if part.columns[cells[0][1]].metric not in ACCURACIES:
        ratio = one.mean / other.mean
        verdict = SHOWN if ratio >= LEAST_RATIO else OPPOSITE if ratio <= 1 / LEAST_RATIO else NOT_SHOWN
        return Verdict(claim.says, claim.paper, f'{ratio:.2f} times', verdict)
    difference, error = one.mean - other.mean, math.sqrt(one.variance_of_mean + other.variance_of_mean)
    ours = f'{100 * one.mean:.1f} − {100 * other.mean:.1f} = {100 * difference:+.1f} ± {100 * error:.1f}'
    ours = ours.replace('= -', '= −')
    # means of a few clips' shares differ in their last binary digits
    tiny = 1e-9
    if len(one.values) < 2 or len(other.values) < 2:
        verdict = NOT_SHOWN
    elif claim.same:
        chances = [1 / len(part.data[str(part.columns[column].data)].classes) for _, column in cells]
        learned = one.mean >= TIMES_CHANCE * chances[0] and other.mean >= TIMES_CHANCE * chances[1]
        verdict = SHOWN if learned and abs(difference) <= TOLERANCE + tiny else NOT_SHOWN
    else:
        least = max(ERRORS * error, LEAST_ACCURACY) - tiny
        verdict = SHOWN if difference >= least else OPPOSITE if difference <= -least else NOT_SHOWN
    return Verdict(claim.says, claim.paper, ours, verdict)


def crossing(points: Sequence[tuple[float, float]], height: float) -> tuple[str, float] | None:
    """Where a curve reaches a height.

    Args:
        points: (x, y), ascending in x.
        height: Value to reach.

    Returns:
        ('about', x) between two points, linear in log x; ('less than', first x) or ('more than', last x) outside of
        them; None for no points.
    """
    if not points:
        return None
    if points[0][1] >= height:
        return 'less than', points[0][0]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if y0 < height <= y1:
            return 'about', math.exp(math.log(x0) + (height - y0) / (y1 - y0) * math.log(x1 / x0))
    return 'more than', points[-1][0]


def curve_points(part: Part, table: Mapping[tuple[str, str], Number], variant: str) -> list[tuple[float, Number]]:
    """(x, number) of a variant over the columns that have an x."""
    columns = sorted((column.x, name) for name, column in part.columns.items() if column.x is not None)
    return [(x, table[variant, name]) for x, name in columns if (variant, name) in table]


def savings(result: Result) -> list[str]:
    """For the part's curve: how far the last variant has to go for what the first one reaches."""
    part = result.part
    if part.curve is None:
        return []
    first, last = part.curve['variants']
    label = part.curve['label']
    slow = [(x, number.mean) for x, number in curve_points(part, result.table, last)]
    lines = []
    for x, number in curve_points(part, result.table, first):
        found = crossing(slow, number.mean)
        if found:
            lines.append(
                f'{first} with {x:g} {label}: {100 * number.mean:.1f}; {last} takes {found[0]} {found[1]:.0f} {label} '
                'for as much.'
            )
    return lines
