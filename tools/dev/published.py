"""Published weights as docs/checkpoints.yml lists them: tables of docs/guides/checkpoints.md and of READMEs, entries of
metafiles.

The file has families, which are headings of the page, and within these publishers, which are subheadings. A publisher
has `source`, one or several sources of :mod:`mmhvt.migrate`; `by` and `code`, whose weights these are and from which
repository (if a file has a name); and `files`:

- `url`, and `file` where the last part of the URL is not the file's name;
- `name`, by which a whole model is built, if the file fits one;
- `config`, a path below configs/ without its suffix, or `backbone`, the arguments of one that no config has;
- `reported`, {data: value or [top-1, top-5]}, as the publisher prints it;
- `settings`, the `--cfg-options` that reproduce that;
- `note`, what else users should know.

Files that do not load have only a `note`, which says why.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / 'docs' / 'checkpoints.yml'
# data sets by their part of a config's name
DATASETS = {
    'kinetics400': 'Kinetics-400', 'kinetics600': 'Kinetics-600', 'kinetics700': 'Kinetics-700',
    'kinetics710': 'Kinetics-710', 'mit': 'Moments in Time', 'sthv1': 'Something-Something V1',
    'sthv2': 'Something-Something V2', 'in1k': 'ImageNet-1K', 'in21k': 'ImageNet-21K',
}  # fmt: skip
FAMILIES = {
    'mvit': 'MViT', 'mvitv2': 'MViTv2', 'smvit': 'SMViT', 'swin': 'Swin', 'video-swin': 'Swin', 'uniformerv2': 'ViT',
}  # fmt: skip
SIZES = dict(tiny='T', small='S', base='B', baseplus='B+', large='L', huge='H')
COLLECTIONS = dict(
    mae='SMViT MAE', mvit='MViT', mvitv2='MViTv2', smvit='SMViT', uniformerv2='UniFormerV2', video_swin='Video Swin'
)


@dataclass(frozen=True)
class File:
    """A published file.

    Args:
        family: Heading of the page.
        publisher: Heading below it.
        url: Where the file is.
        file: Name of the file.
        sources: Names of sources of weights; none for a file that does not load.
        by: Whose weights these are, for READMEs.
        code: URL of the repository.
        name: Name of the whole model, or None.
        config: Path below configs/ without its suffix, or None.
        backbone: Arguments of a backbone of ours, if there is no config.
        reported: What its publisher reports, {data: (top-1, maybe top-5)}.
        settings: The `--cfg-options` that reproduce it.
        note: What else users should know.
    """

    family: str
    publisher: str
    url: str
    file: str
    sources: tuple[str, ...] = ()
    by: str = ''
    code: str = ''
    name: str | None = None
    config: str | None = None
    backbone: Mapping[str, Any] = field(default_factory=dict)
    reported: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ''

    @property
    def heading(self) -> str:
        """Both headings, by which the page's markers name a table."""
        return f'{self.family} / {self.publisher}'

    @property
    def folder(self) -> str:
        """Folder of the config below configs/."""
        return (self.config or '').split('/')[0]

    @property
    def dataset(self) -> str:
        """Data that a named model was trained on."""
        return DATASETS[re.search(rf'_({"|".join(DATASETS)})(?:-rgb)?(?:-\d+px)?$', self.name or '')[1]]

    @property
    def options(self) -> list[str]:
        """The settings as arguments of `--cfg-options`."""
        return [f'{key}={value}'.replace(' ', '') for key, value in self.settings.items()]

    def top1(self) -> str:
        """The first value of each data set, or a dash."""
        return ', '.join(f'{data} {values[0]}' for data, values in self.reported.items()) or '–'


def load(path: Path = DATA) -> dict[str, Any]:
    """The content of docs/checkpoints.yml."""
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def files(data: Mapping[str, Any]) -> Iterator[File]:
    """All files in the order of the page."""
    for family, publishers in data.items():
        for publisher, group in publishers.items():
            sources = group.get('source', ())
            for entry in group['files']:
                reported = entry.get('reported', {})
                given = entry | dict(
                    file=entry.get('file') or entry['url'].rpartition('/')[2],
                    sources=(sources,) if isinstance(sources, str) else tuple(sources),
                    reported={key: tuple(v) if isinstance(v, list) else (v,) for key, v in reported.items()},
                )
                yield File(family, publisher, by=group.get('by', ''), code=group.get('code', ''), **given)


# ------------------------------------------------------------------------------------------ docs/guides/checkpoints.md


def checkpoint_tables(data: Mapping[str, Any]) -> dict[str, str]:
    """Tables of docs/guides/checkpoints.md by their headings (:attr:`File.heading`), and its counts as 'Counts'."""
    tables: dict[str, list[File]] = {}
    for file in files(data):
        tables.setdefault(file.heading, []).append(file)
    return {'Counts': _counts(data)} | {heading: _table(rows) for heading, rows in tables.items()}


def _counts(data: Mapping[str, Any]) -> str:
    listed = list(files(data))
    ours = [file for file in listed if file.sources]
    named, settled = sum(bool(file.name) for file in ours), sum(bool(file.settings) for file in ours)
    text = (
        f'{len(listed)} files are listed: {named} have a name, {len(ours) - named} load into the model or backbone of '
        f"their row, {len(listed) - len(ours)} do not load. {settled} need settings other than their config's."
    )
    return textwrap.fill(text, 120) + '\n'


def _table(rows: list[File]) -> str:
    if not rows[0].sources:
        lines = ['| File | Why it does not load |', '| --- | --- |']
        return '\n'.join(lines + [f'| [`{row.file}`]({row.url}) | {row.note} |' for row in rows]) + '\n'
    head, more = ['File', 'Model or backbone', 'Reported'], any(row.settings or row.note for row in rows)
    head += ['Settings and notes'] if more else []
    lines = [f'| {" | ".join(head)} |', f'| {" | ".join("---" for _ in head)} |']
    for row in rows:
        cells = [f'[`{row.file}`]({row.url})', f'`{_model(row)}`', row.top1()]
        options = ' '.join(f'`{option}`' for option in row.options)
        cells += ['; '.join(filter(None, (options, row.note))) or '–'] if more else []
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _model(file: File) -> str:
    if file.name:
        return file.name
    if file.config:
        return f'configs/{file.config}.py'
    return ', '.join(f'{key}={_plain(value)!r}' for key, value in file.backbone.items())


def _plain(value: Any) -> Any:
    """YAML's lists as the tuples that they are in a config."""
    return tuple(map(_plain, value)) if isinstance(value, list) else value


# ---------------------------------------------------------------------------------------------- READMEs and metafiles


def named(folder: str, data: Mapping[str, Any] | None = None) -> list[File]:
    """Files with a name whose configs are in configs/`folder`."""
    return [file for file in files(data or load()) if file.name and file.folder == folder]


def readme_table(folder: str) -> str:
    """The table of *Published weights* in configs/`folder`/README.md, or nothing if there are none."""
    rows = named(folder)
    if not rows:
        return ''
    scored, settled = any(row.reported for row in rows), any(row.settings for row in rows)
    head = ['name', 'published by', 'data', *(['top-1 reported'] if scored else [])]
    head += [*(['`--cfg-options`'] if settled else []), 'config']
    lines = [f'| {" | ".join(head)} |', f'|{"---|" * len(head)}']
    for row in rows:
        values = ', '.join(str(values[0]) for values in row.reported.values()) or '–'
        cells = [f'`{row.name}`', row.by, row.dataset, *([values] if scored else [])]
        cells += [' '.join(f'`{option}`' for option in row.options) or '–'] if settled else []
        cells += [f'[config]({Path(row.config or "").name}.py)']
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def metafile_models(folder: str) -> list[dict[str, Any]]:
    """Entries with weights of configs/`folder`/metafile.yml."""
    return [_entry(file) for file in named(folder)]


def _entry(file: File) -> dict[str, Any]:
    assert file.name and file.config
    family, size = re.match(r'(?:mae_)?(.+?)-(tiny|small|baseplus|base|large|huge)(?=[-_])', file.name).groups()
    patch = dict(base='/16', large='/14')[size] if family == 'uniformerv2' else ''
    side = (re.search(r'-(\d+)px$', file.name) or ['', '224'])[1]
    is_video = file.name.removesuffix(f'-{side}px').endswith('-rgb')
    metrics = ('Top 1 Accuracy', 'Top 5 Accuracy')
    results = [
        dict(
            Dataset=data,
            Task='Action Recognition' if is_video else 'Image Classification',
            Metrics=dict(zip(metrics, values, strict=False)),
        )
        for data, values in file.reported.items()
    ]
    return {
        'Name': file.name,
        'Config': f'configs/{file.config}.py',
        'In Collection': COLLECTIONS[file.folder],
        'Metadata': {
            'Architecture': f'{FAMILIES[family]}-{SIZES[size]}{patch}',
            'Resolution': f'{side}x{side}',
            'Training Data': file.dataset,
        },
        **({'Modality': 'RGB'} if is_video else {}),
        'Results': results or None,
        'Weights': file.url,
        'Converted From': {'Weights': file.url, 'Code': file.code},
    }
