"""Tables, figures and the page of the documentation, from results alone."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmhvt.engine.durable import write_durably

from .draw import draw
from .experiments import MEASURED, Part
from .results import (
    ACCURACIES,
    ERRORS,
    LEAST_ACCURACY,
    LEAST_RATIO,
    SHOWN,
    TIMES_CHANCE,
    TOLERANCE,
    Number,
    Result,
    collect,
    from_json,
    savings,
)
from .store import Store

PAPERS = {
    'mvit': 'MViT',
    'mvitv2': 'MViTv2',
    'smvit': 'SMViT',
    'video_swin': 'Video Swin',
    'uniformerv2': 'UniFormerV2',
}
INTRO = f"""# Evidence

Small trainings on generated videos, each of which stands for a table of a paper: does what the paper claims show in
minutes on a CPU? Videos are MP4 files, read by decord; mmaction2's recognizers and `mmhvt.MAE` are trained by
MMEngine's runner. Models are micro ones on 8 frames of 32² pixels, the variants of a table differ in what it names, and
each is trained with several seeds. Numbers are top-1 accuracies on 400 validation clips after the last epoch, in
percent: means and standard deviations over seeds.

```bash
make evidence                  # all parts: 140 minutes of CPU time, half as long on two cores
make evidence PART=shuffling   # one of them
```

A second call trains what is not done yet. What is trained, and the claims, are in `mmhvt/analysis/evidence.yaml`; the
numbers of this page are in `docs/evidence`.

The verdicts follow a rule. That one accuracy is higher than another is *shown* if the difference of the means is at
least {ERRORS} of its standard errors, √(s₁²/n + s₂²/n), and {100 * LEAST_ACCURACY:g} point; if that holds the other way
round, the verdict is *the opposite*, else *not shown*. That two are the same is shown if the means differ by no more
than {100 * TOLERANCE:g} points and are at least {TIMES_CHANCE} times chance. Costs are compared as ratios, of at least
{LEAST_RATIO:g}. What is not shown here may hold at the paper's size: these runs are short and small, most start from
scratch where the paper starts from pre-trained weights, and generated classes are told by one thing alone.
"""


def cell(number: Number | None, metric: str) -> str:
    """Text of a cell, empty for none."""
    if number is None:
        return ''
    if metric in ACCURACIES:
        return f'{100 * number.mean:.1f} ± {100 * number.spread:.1f}'
    if metric in ('params', 'multiply_adds'):
        return f'{number.mean / 1e6:.2f} M'
    return f'{number.mean:.0f} ms' if metric == 'ms' else f'{number.mean:.1f} G'


def table(result: Result) -> str:
    """The numbers, a row for each variant."""
    part = result.part
    lines = [f'| | {" | ".join(part.columns)} |', '| --- ' * (len(part.columns) + 1) + '|']
    for variant in part.variants:
        cells = [cell(result.table.get((variant, name)), column.metric) for name, column in part.columns.items()]
        lines.append(f'| {variant} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def claims(result: Result) -> str:
    """The verdicts, a row for each claim."""
    lines = ['| claim | paper | here | |', '| --- | --- | --- | --- |']
    for verdict in result.verdicts:
        text = verdict.verdict if verdict.verdict == SHOWN else f'**{verdict.verdict}**'
        lines.append(f'| {verdict.says} | {verdict.paper or "–"} | {verdict.ours} | {text} |')
    return '\n'.join(lines)


def statement(result: Result) -> str:
    """What the results show and what not, in a paragraph."""
    verdicts = result.verdicts
    shown = [verdict for verdict in verdicts if verdict.verdict == SHOWN]
    few = f'{len(shown) or "None"} of {len(verdicts)} claims {"is" if len(shown) == 1 else "are"}'
    lines = [f'**{few if len(shown) < len(verdicts) else f"All {len(verdicts)} claims are"} shown.**']
    for name in sorted({verdict.verdict for verdict in verdicts} - {SHOWN}):
        listed = '; '.join(f'{verdict.says} ({verdict.ours})' for verdict in verdicts if verdict.verdict == name)
        lines.append(f'{name.capitalize()}: {listed}.')
    return ' '.join(lines + savings(result))


def section(part: Part, result: Result | None) -> str:
    """A part of the page."""
    head = f'## {part.title}\n\n{PAPERS[part.paper]}, table {part.table}. {part.claim}\n\n{part.trained}'
    if result is None:
        return f'{head}\n\nNot trained with these settings yet: `make evidence PART={part.name}`.'
    picture = f'![{part.title}: a dot for each seed, a bar at the mean](../img/evidence/{part.name}.png)'
    took = f'Seeds {", ".join(map(str, part.seeds))}. The trainings took {result.seconds / 60:.0f} minutes of CPU time.'
    if any(column.metric in MEASURED for column in part.columns.values()):
        took += (
            f' Times are medians of forward passes of one clip on a CPU, models in turns (threads: {result.threads}).'
        )
    return '\n\n'.join([head, table(result), picture, statement(result), claims(result), took])


def page(parts: Iterable[Part], results: Mapping[str, Result]) -> str:
    """The whole page; parts without results say so."""
    return '\n\n'.join([INTRO.strip(), *(section(part, results.get(part.name)) for part in parts)]) + '\n'


def read_results(parts: Iterable[Part], docs: Path) -> dict[str, Result]:
    """Results that earlier reports have written, by part; those of other settings are left out.

    Raises:
        ValueError: If a file is none of a report.
    """
    found = {}
    for part in parts:
        path = docs / 'evidence' / f'{part.name}.json'
        if path.is_file():
            try:
                result = from_json(part, json.loads(path.read_text()))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f'{path}: not written by make evidence: {error}; remove it') from error
            if result:
                found[part.name] = result
    return found


def write_report(parts: Iterable[Part], chosen: Iterable[Part], store: Store, docs: Path) -> list[str]:
    """Write numbers and figures of parts whose runs are all there, and the page of all parts.

    Args:
        parts: All parts.
        chosen: Those to write numbers and figures of.
        store: Results of the runs.
        docs: Folder of the documentation.

    Returns:
        A line for each chosen part.

    Raises:
        ValueError: If a file in `docs` is none of a report.
        OSError: If a file cannot be written.
    """
    lines = []
    for part in chosen:
        result = collect(part, store)
        if isinstance(result, int):
            lines.append(f'{part.name}: {result} runs are missing')
            continue
        path = docs / 'evidence' / f'{part.name}.json'
        write_durably(path, (json.dumps(result.as_json(), indent=1, ensure_ascii=False) + '\n').encode())
        draw(docs / 'img/evidence' / f'{part.name}.png', result)
        shown = sum(verdict.verdict == SHOWN for verdict in result.verdicts)
        lines.append(f'{part.name}: {shown} of {len(part.claims)} claims are shown')
    parts = list(parts)
    write_durably(docs / 'how/evidence.md', page(parts, read_results(parts, docs)).encode())
    return lines
