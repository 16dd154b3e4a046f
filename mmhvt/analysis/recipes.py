"""The data behind the recipes: results of the papers that they reproduce, and the source of every value.

`configs/<folder>/recipes.yml` holds the data, `configs/papers.yml` how many results each table of a paper has. See
CONTRIBUTING.md for the format.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

from ..utils.configs import read_config

# ways to reproduce a result of a paper
WAYS = ('config', 'one key', 'several keys', 'none')
FAMILIES = ('mvit', 'mvitv2', 'smvit', 'mae', 'video_swin', 'uniformerv2', 'ava', 'coco')
# Sections that a trained model or its test depends on
_SECTIONS = re.compile(
    r'model|data_preprocessor|(train|val|test)_(dataloader|pipeline|evaluator|cfg)|optim_wrapper|param_scheduler'
)
# Options that say where data is, how it is read and what it is called; those that the model, the data or the name of a
# recipe fixes (classes, widths, samples per GPU); and how often validation runs
_OPTIONS = {
    '_scope_', 'ann_file', 'backend', 'backend_args', 'base_batch_size', 'batch_size', 'by_epoch', 'checkpoint',
    'classes', 'collate_fn', 'convert_to_iter_based', 'data_prefix', 'data_root', 'debug', 'enable', 'exclude_file',
    'filename_tmpl', 'format_only', 'ignore_keys', 'imdecode_backend', 'in_channels', 'input_format', 'io_backend',
    'keys', 'label_file', 'labels', 'meta_keys', 'metainfo', 'metric', 'name', 'num_classes', 'num_workers',
    'outfile_prefix', 'persistent_workers', 'pin_memory', 'prefix', 'proposal_file', 'shuffle', 'split',
    'test_mode', 'type', 'val_begin', 'val_interval', 'with_mask',
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A result of a paper, and how to get it.

    Attributes:
        paper, table, row: Where the paper prints it.
        config: Recipe that trains or tests the model.
        options: Values by dotted key for `--cfg-options`, none if the recipe reproduces the result as it is.
        figures: Printed numbers: 'top1', 'top5', 'mAP', 'box_ap', 'mask_ap' in percent; 'params' in millions;
            'flops' / 10⁹ of one view; 'views' as crops × clips.
    """

    paper: str
    table: str
    row: str
    config: Path
    options: dict[str, Any]
    figures: dict[str, Any]

    @property
    def way(self) -> str:
        """'config', 'one key' or 'several keys'."""
        return WAYS[min(len(self.options), 2)]


@dataclass(frozen=True)
class Value:
    """A value of a recipe.

    Attributes:
        key: Dotted path, in which steps of a pipeline and schedulers have the names of their types.
        value: Number, switch, text or list.
        file: Config file that sets it, or the name of a library's config.
        source: Where the value comes from.
    """

    key: str
    value: Any
    file: Path | str
    source: str


class Recipes:
    """The data of all recipes.

    Args:
        configs: Folder `configs` of the repository or of the installed package.
    """

    def __init__(self, configs: Path) -> None:
        self.configs = configs
        self.folders = {name: _read(configs / name / 'recipes.yml') for name in FAMILIES}
        self.papers = _read(configs / 'papers.yml')

    @cached_property
    def results(self) -> list[Result]:
        """Results of all papers, in the order of the files."""
        return [result for folder in self.folders for result in self._results(folder)]

    def _results(self, folder: str) -> Iterator[Result]:
        for paper, tables in (self.folders[folder].get('results') or {}).items():
            for table, rows in tables.items():
                for row in rows:
                    figures = {key: value for key, value in row.items() if key not in ('row', 'config', 'options')}
                    path = self.configs / folder / f'{row["config"]}.py'
                    yield Result(paper, str(table), row['row'], path, row.get('options', {}), figures)

    def printed(self, config: Path) -> dict[str, Any]:
        """Numbers that papers print for a recipe as it is; if there are two results, those of the first."""
        found: dict[str, Any] = {}
        for result in self.results:
            if result.config == config and not result.options:
                found = result.figures | found
        return found

    def coverage(self) -> dict[tuple[str, str], Counter[str]]:
        """Number of results of each table of a paper by the way to reproduce them, including 'none'.

        Raises:
            ValueError: If a result names a table that the paper does not have.
        """
        found: dict[tuple[str, str], Counter[str]] = {
            (paper, table): Counter() for paper, about in self.papers.items() for table in about['tables']
        }
        for result in self.results:
            if (result.paper, result.table) not in found:
                raise ValueError(
                    f'{result.config.stem}: configs/papers.yml has no table {result.table} of {result.paper}'
                )
            found[result.paper, result.table][result.way] += 1
        for (paper, table), ways in found.items():
            ways['none'] = self.papers[paper]['tables'][table] - sum(ways.values())
        return found

    @cached_property
    def _sources(self) -> dict[str, dict[str, Any]]:
        """Values by pattern of config files, and then by source."""
        return {
            pattern: sources
            for folder in self.folders.values()
            for pattern, sources in (folder.get('values') or {}).items()
        }

    @property
    def patterns(self) -> list[str]:
        """Patterns of config files, below `configs`, that have values in the data."""
        return list(self._sources)

    def sources(self, file: Path) -> dict[str, tuple[str, Any]]:
        """Source of each value that a config file sets, and the value that the data has for it (... if none).

        Args:
            file: A file under `configs`.
        """
        name = file.relative_to(self.configs).as_posix()
        found: dict[str, tuple[str, Any]] = {}
        for pattern, sources in self._sources.items():
            if fnmatch(name, pattern):
                for source, keys in sources.items():
                    held = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, ...)
                    found |= {key: (source, value) for key, value in held.items()}
        return found

    def values(self, config: Path) -> list[Value]:
        """Every value of a recipe, with the file that sets it and its source.

        Raises:
            ValueError: If the recipe is not below `configs`, or a value has no source.
        """
        if not config.is_relative_to(self.configs):
            raise ValueError(f'{config} is not below {self.configs}, whose values have sources')
        found = []
        for key, value in values(config).items():
            file = origin(config, key)
            known = {key: (file, value)} if isinstance(file, str) else self.sources(file)
            if key not in known:
                raise ValueError(f'{file}: {key} has no source in a recipes.yml')
            found.append(Value(key, value, file, known[key][0]))
        return found

    def released(self, config: Path) -> list[dict]:
        """Settings that the authors' weights of a recipe were trained with, where they differ from the paper's."""
        about = self.folders[config.relative_to(self.configs).parts[0]].get('released') or []
        return [entry for entry in about if any(fnmatch(config.stem, pattern) for pattern in entry['configs'])]


def _read(file: Path) -> dict:
    return yaml.safe_load(file.read_text()) or {}


def values(config: Path | str) -> dict[str, Any]:
    """Values of a resolved config by dotted path, except those that no result depends on.

    Values that validation shares with the test are listed for the test only.
    """
    found = _values(config)
    nothing = object()
    return {
        key: value
        for key, value in found.items()
        if not key.startswith('val') or found.get(f'test{key[3:]}', nothing) != value
    }


@cache
def _values(config: Path | str) -> dict[str, Any]:
    resolved = read_config(config).to_dict()
    found: dict[str, Any] = {}
    for section, content in resolved.items():
        if _SECTIONS.fullmatch(section):
            found |= dict(_flat({section: content}))
    # a loader's pipeline is usually the variable of the config; where it is another one, it counts
    pipelines: dict[str, Any] = {}
    for key in list(found):
        if match := re.match(r'(\w+?)_dataloader\..*?pipeline\.(.*)', key):
            pipelines[f'{match[1]}_pipeline.{match[2]}'] = found.pop(key)
    loaded = {key.partition('.')[0] for key in pipelines}
    return {key: value for key, value in found.items() if key.partition('.')[0] not in loaded} | pipelines


def _flat(value: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name not in _OPTIONS:
                yield from _flat(part, f'{key}.{name}' if key else str(name))
    elif isinstance(value, list | tuple) and value and all(isinstance(part, Mapping) for part in value):
        seen: Counter[str] = Counter()
        for part in value:
            name = str(part.get('type', 'item')).removeprefix('mmhvt.')
            seen[name] += 1
            yield from _flat(part, f'{key}.{name}' + (f'#{seen[name]}' if seen[name] > 1 else ''))
    else:
        if not key.endswith('.dataset'):  # a name
            yield key, _as_yaml(value)


def _as_yaml(value: Any) -> Any:
    """A value as it is read back from a YAML file."""
    if isinstance(value, list | tuple):
        return [_as_yaml(part) for part in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


@cache
def bases(config: Path) -> tuple[Path | str, ...]:
    """Files that a config inherits from, or their names in other libraries."""
    names = Config._get_base_files(str(config))
    return tuple(name if '::' in name else (config.parent / name).resolve() for name in names)


def own_values(config: Path) -> dict[str, Any]:
    """Values that a config file sets itself."""
    return {key: value for key, value in values(config).items() if origin(config, key) == config}


def origin(config: Path, key: str) -> Path | str:
    """The config file that sets a value of a config, or the name of a library's config."""
    value = _values(config)[key]
    for base in reversed(bases(config)):
        inherited = _values(base)
        if key in inherited and inherited[key] == value:
            return base if isinstance(base, str) else origin(base, key)
    return config
