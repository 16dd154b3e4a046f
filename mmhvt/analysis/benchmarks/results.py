"""Rows of measurements: ratios to other models, whether they reach their goals, and files of them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import torch

from .cases import Goal, Mode
from .measure import FORWARDS, Settings, Times

UNITS = {'inference': 'ms', 'training': 'ms', 'memory': 'MiB'}


@dataclass(frozen=True)
class Verdict:
    """Whether a goal was reached.

    Attributes:
        against: The peer, None for the best one.
        goal: Ratio to reach.
        ratio: Ratio found; None if a peer that it needs was not measured.
    """

    against: str | None
    goal: float
    ratio: float | None

    @property
    def met(self) -> bool:
        """Whether the goal is reached; False if it cannot be judged."""
        return self.ratio is not None and self.ratio >= self.goal

    def __str__(self) -> str:
        found = 'not judged' if self.ratio is None else f'{self.ratio:.2f}'
        return f'{self.against or "best peer"} / ours {found}, goal {self.goal:.2f}'


@dataclass
class Row:
    """What was found for one mode of a case.

    Attributes:
        case: Name of the case.
        mode: 'inference', 'training' or 'memory'.
        values: Milliseconds (medians over rounds) or MiB, by model.
        ratios: Ratio of each other model to the first: median over rounds, in each of which all met the same load.
        shares: Fraction of the matrix-product rate of the same run, by model; multiply-adds follow the paper's
            formulas.
        rate: That rate in GFLOP/s.
        multiply_adds: Billions of multiply-adds of a forward pass, by model.
        missing: Peers that were wanted but are not installed.
        verdicts: Verdicts on the goals that apply to the settings.
    """

    case: str
    mode: Mode
    values: dict[str, float]
    ratios: dict[str, float]
    shares: dict[str, float] = field(default_factory=dict)
    rate: float | None = None
    multiply_adds: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def best(self) -> str | None:
        """The other model that needs the least."""
        return min(self.ratios, key=self.values.__getitem__, default=None)

    def judge(self, goals: Iterable[Goal], settings: Settings) -> None:
        """Compare with the goals of this mode, which are for fp32 without compiler on a CPU, and for bf16 on a GPU."""
        usual = not (settings.amp or settings.compile) if settings.device == 'cpu' else settings.amp is not None
        if not (settings.peers and usual):
            return
        for goal in goals:
            if (goal.mode, goal.device) != (self.mode, settings.device):
                continue
            # a peer that is missing may be the best
            name = goal.against or (None if self.missing else self.best)
            self.verdicts.append(Verdict(goal.against, goal.ratio, self.ratios.get(name) if name else None))

    def __str__(self) -> str:
        parts = [f'{self.case:26} {self.mode:9}']
        for name, value in self.values.items():
            share = f', {self.shares[name]:.0%}' if name in self.shares else ''
            ratio = f', {self.ratios[name]:.2f}×' if name in self.ratios else ''
            parts.append(f'{name} {amount(value)} {UNITS[self.mode]}{share}{ratio}')
        return '  '.join(parts)


def amount(value: float) -> str:
    """Three significant digits, or all digits before the point."""
    return f'{value:.3g}' if value < 1000 else f'{value:.0f}'


def timed(case: str, mode: Mode, times: Times, multiply_adds: dict[str, float]) -> Row:
    """Row of measured times."""
    rate, first = median(times.rates), next(iter(times.seconds))
    medians = {name: median(found) for name, found in times.seconds.items()}
    return Row(
        case,
        mode,
        values={name: seconds * 1e3 for name, seconds in medians.items()},
        ratios={
            name: median(theirs / own for theirs, own in zip(found, times.seconds[first], strict=True))
            for name, found in times.seconds.items()
            if name != first
        },
        shares={name: 2 * multiply_adds[name] * FORWARDS[mode] / medians[name] / rate for name in medians},
        rate=rate,
        multiply_adds=multiply_adds,
    )


def remembered(case: str, peaks: dict[str, int]) -> Row:
    """Row of measured memory."""
    first = next(iter(peaks))
    ratios = {name: peak / peaks[first] for name, peak in peaks.items() if name != first}
    return Row(case, 'memory', {name: peak / 2**20 for name, peak in peaks.items()}, ratios)


def save(path: Path, rows: Sequence[Row], settings: Settings) -> None:
    """Write rows as JSON, with the settings and the machine."""
    device = torch.cuda.get_device_name() if settings.device == 'cuda' else f'{torch.get_num_threads()} threads'
    machine = dict(device=device, torch=torch.__version__)
    report = dict(settings=asdict(settings), machine=machine, rows=[asdict(row) for row in rows])
    path.write_text(json.dumps(report, indent=1) + '\n')


def load(paths: Iterable[Path]) -> list[Row]:
    """Rows of files; if several have a case and mode, the last one counts.

    Raises:
        ValueError: If a file is not one of :func:`save`.
    """
    rows = {}
    for path in paths:
        try:
            for row in json.loads(path.read_text())['rows']:
                row['verdicts'] = [Verdict(**verdict) for verdict in row['verdicts']]
                rows[row['case'], row['mode']] = Row(**row)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{path}: not written by --json ({type(error).__name__}: {error})') from None
    return list(rows.values())


def as_markdown(rows: Iterable[Row]) -> str:
    """A table with a line for each case: best peer / ours of each mode, the goal, and our share of the product rate."""
    cases: dict[str, dict[str, Row]] = {}
    for row in rows:
        cases.setdefault(row.case, {})[row.mode] = row
    lines = ['| case | inference | training step | peak memory |', '| --- | --- | --- | --- |']
    for case, modes in cases.items():
        cells = [cell(modes[mode]) if mode in modes else '' for mode in UNITS]
        lines.append(f'| {case} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def cell(row: Row) -> str:
    """A cell such as '1.52 (torchvision), 40 %', in bold where a goal is missed."""
    first = next(iter(row.values))
    found = f'{row.ratios[row.best]:.2f} ({row.best})' if row.best else f'{amount(row.values[first])} {UNITS[row.mode]}'
    if not all(verdict.met for verdict in row.verdicts):
        found = f'**{found}**'
    return f'{found}, {row.shares[first]:.0%}' if first in row.shares else found
