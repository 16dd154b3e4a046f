"""What is trained: the parts of evidence.yaml, and the whole config of each of their runs."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config, ConfigDict

from mmhvt.demos.runs import CONFIGS
from mmhvt.synthetic import moving_digits, moving_shapes
from mmhvt.utils.configs import read_config

FILE = Path(__file__).parent.with_suffix('.yaml')
# relative to the current folder, as those of the demos
DATA, RUNS = Path('data/evidence'), Path('work_dirs/evidence')
# prefix of the annotation files in the configs, which are of moving shapes
SHAPES = 'moving_shapes'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# metrics of a training, and of the models at their published size
TRAINED = ('top1', 'top1_shuffled', 'params', 'multiply_adds')
MEASURED = ('ms', 'giga_multiply_adds')


@dataclass(frozen=True)
class Data:
    """Generated videos.

    Attributes:
        name: Key in evidence.yaml, and folder.
        generator: Module of :mod:`mmhvt.synthetic`.
        arguments: Arguments of its `write_dataset`.
    """

    name: str
    generator: str
    arguments: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where the videos are."""
        return DATA / self.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        if self.generator == SHAPES:
            return tuple(moving_shapes.MOTIONS)
        return moving_digits.CLASSES[self.arguments['classes']]

    def write(self, processes: int) -> bool:
        """Write the videos that are not there; returns whether it wrote. Errors are those of the generators."""
        module = {SHAPES: moving_shapes, 'moving_digits': moving_digits}[self.generator]
        return module.write_dataset(self.folder, **self.arguments, processes=processes)


def digest(settings: Any) -> str:
    """A name for settings, which differs where they do; settings are what JSON can hold."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        data: Its videos.
        config: The whole config, without a work dir.
        tested: Whether `test_dataloader` is tested after the training, beside the validation that ends it.
        pretraining: The training that it starts from.
    """

    data: Data
    config: dict
    tested: bool = False
    pretraining: 'Training | None' = None

    @cached_property
    def settings(self) -> dict:
        """All that decides the result, as JSON holds it. The config names the key of the pre-training."""
        data = dict(generator=self.data.generator, **self.data.arguments)
        return json.loads(json.dumps(dict(config=self.config, data=data, tested=self.tested)))

    @cached_property
    def key(self) -> str:
        """Name of the settings."""
        return digest(self.settings)

    @property
    def work_dir(self) -> Path:
        """Folder of logs and checkpoints."""
        return RUNS / 'runs' / self.key

    @property
    def checkpoint(self) -> Path:
        """Weights after the last epoch; only those of pre-trainings are kept."""
        return self.work_dir / f'epoch_{self.config["train_cfg"]["max_epochs"]}.pth'


@dataclass(frozen=True)
class Column:
    """A column of a part's table.

    Attributes:
        name: Heading.
        metric: What it shows, of :data:`TRAINED` or :data:`MEASURED`.
        data: Name of the videos; None for what is measured without training.
        options: Keys of the config that it sets.
        test: Config whose `test_dataloader` is tested.
        x: Place on the axis of the part's curve.
    """

    name: str
    metric: str
    data: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    test: str | None = None
    x: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in TRAINED + MEASURED:
            raise ValueError(f'{self.name}: metric={self.metric!r}: choose from {", ".join(TRAINED + MEASURED)}')


@dataclass(frozen=True)
class Variant:
    """A row of a part's table.

    Attributes:
        name: Its name, the paper's where it has one.
        options: Keys of the config that it sets.
        backbone: What it changes in `model.backbone` of pre-training and fine-tuning.
        pretraining: Keys of the pre-training's config; None for none.
        columns: The columns that it has; None for all.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    backbone: Mapping[str, Any] = field(default_factory=dict)
    pretraining: Mapping[str, Any] | None = field(default_factory=dict)
    columns: Sequence[str] | None = None


@dataclass(frozen=True)
class Claim:
    """What a paper's table implies, of cells (variant, column).

    Attributes:
        says: The claim.
        paper: The paper's numbers; None if it has none.
        more: Cell that is larger …
        less: … than this one.
        same: Two cells that hardly differ.
    """

    says: str
    paper: str | None = None
    more: tuple[str, str] | None = None
    less: tuple[str, str] | None = None
    same: tuple[tuple[str, str], tuple[str, str]] | None = None

    def __post_init__(self) -> None:
        if (self.same is None) != bool(self.more and self.less):
            raise ValueError(f'claim {self.says!r} needs `more` and `less`, or `same` with two cells')

    @property
    def cells(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The cells, the larger one first."""
        one, other = self.same or (self.more, self.less)
        assert one and other  # checked above
        return (one[0], one[1]), (other[0], other[1])


@dataclass(frozen=True)
class Part:
    """A table of a paper, and what stands for it here.

    Attributes:
        name: Its name on the command line.
        title: Heading.
        paper, table: Where the claim is.
        claim: What the paper says.
        trained: What is trained here.
        config: Config of all variants, in `configs`.
        epochs, lr: Length and learning rate, where they are not the config's.
        options: Keys of the config that all variants set.
        pretraining: `config`, `data`, `epochs` and `lr` of a pre-training.
        columns, variants: Of the table.
        curve: `variants` to draw over the columns' `x`, and its `label`.
        speed: What is measured of the models at their published size: `input_size`, `arch` by type of the backbone,
            `rounds`, and what some variants change in the `backbone`.
        claims: What the paper's table implies.
        seeds: Seeds of each run.
    """

    name: str
    title: str
    paper: str
    table: str
    claim: str
    trained: str
    config: str
    columns: Mapping[str, Column]
    variants: Mapping[str, Variant]
    claims: Sequence[Claim]
    seeds: Sequence[int]
    data: Mapping[str, Data]
    epochs: int | None = None
    lr: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    pretraining: Mapping[str, Any] | None = None
    curve: Mapping[str, Any] | None = None
    speed: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        cells = set(self.cells())
        for claim in self.claims:
            for cell in claim.cells:
                if cell not in cells:
                    raise ValueError(f'{self.name}: claim {claim.says!r}: there is no cell {list(cell)}')

    def cells(self) -> Iterator[tuple[str, str]]:
        """(variant, column) of all that the table has."""
        for variant in self.variants.values():
            for column in variant.columns if variant.columns is not None else self.columns:
                yield variant.name, column

    def training(self, variant: str, column: str, seed: int) -> Training:
        """The training that a cell takes a number from.

        Raises:
            ValueError: If a config cannot be read, or an option does not fit it.
        """
        chosen, where = self.variants[variant], self.columns[column]
        options = dict(self.options) | dict(where.options) | dict(chosen.options)
        pretraining = None
        if self.pretraining is not None and chosen.pretraining is not None:
            pretraining = self._pretraining(chosen, seed)
        options['model.backbone'] = dict(chosen.backbone)
        data = self.data[str(where.data)]
        options['model.cls_head.num_classes'] = len(data.classes)
        cfg = resolve(self.config, options, data, seed, self.epochs, self.lr, where.test)
        # validated once, at the end, and never resumed
        cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs
        cfg.default_hooks.checkpoint = None
        if pretraining:
            cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(pretraining.checkpoint))
        return Training(data, cfg.to_dict(), where.test is not None, pretraining)

    def _pretraining(self, variant: Variant, seed: int) -> Training:
        assert self.pretraining is not None and variant.pretraining is not None
        shared = dict(self.pretraining)
        options = dict(variant.pretraining) | {'model.backbone': dict(variant.backbone)}
        data = self.data[shared['data']]
        cfg = resolve(shared['config'], options, data, seed, shared.get('epochs'), shared.get('lr'))
        return Training(data, cfg.to_dict())

    def trainings(self) -> dict[tuple[str, str, int], Training]:
        """Trainings by variant, column and seed; cells that share one have the same object."""
        shared: dict[str, Training] = {}
        found = {}
        for variant, column in self.cells():
            if self.columns[column].metric in TRAINED:
                for seed in self.seeds:
                    training = self.training(variant, column, seed)
                    found[variant, column, seed] = shared.setdefault(training.key, training)
        return found

    def backbones(self) -> dict[str, dict]:
        """Configs of the variants' backbones at their published size, for :attr:`speed`."""
        if self.speed is None:
            return {}
        column = next(name for name, column in self.columns.items() if column.metric in TRAINED)
        found = {}
        for variant in self.variants:
            backbone = dict(self.training(variant, column, self.seeds[0]).config['model']['backbone'])
            arch = self.speed['arch'][backbone['type']]
            size = dict(arch=arch, input_size=tuple(self.speed['input_size']), init_cfg=None, q_pool=3)
            found[variant] = backbone | size | dict(self.speed.get('backbone', {}).get(variant, {}))
        return found

    @property
    def key(self) -> str:
        """Name of all settings of the part that decide its numbers."""
        keys = {'/'.join(map(str, cell)): training.key for cell, training in self.trainings().items()}
        return digest([keys, self.speed_settings])

    @property
    def speed_settings(self) -> dict | None:
        """All that decides what is measured of speed, as JSON holds it; None if nothing is."""
        if self.speed is None:
            return None
        settings = dict(backbones=self.backbones(), rounds=self.speed['rounds'])
        return json.loads(json.dumps(settings))


@cache
def _config(path: str) -> Config:
    return read_config(CONFIGS / path)


def innermost_dataset(loader: Mapping) -> ConfigDict:
    """The dataset of a data loader that reads files, within those that repeat it."""
    dataset = loader['dataset']
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def resolve(
    config: str,
    options: Mapping[str, Any],
    data: Data,
    seed: int,
    epochs: int | None = None,
    lr: float | None = None,
    test: str | None = None,
) -> Config:
    """A whole config.

    Args:
        config: Path in `configs`.
        options: Values by keys with dots.
        data: Videos.
        seed: Seed of all generators.
        epochs: Length of training and of its one cycle of the learning rate. Defaults to the config's.
        lr: Learning rate. Defaults to the config's.
        test: Path of a config whose `test_dataloader` takes the place of the config's. Defaults to None.

    Raises:
        ValueError: If a config cannot be read, or an option does not fit it.
    """
    cfg = copy.deepcopy(_config(config))
    if test:
        cfg.test_dataloader = copy.deepcopy(_config(test).test_dataloader)
    given: dict[str, Any] = {'randomness.seed': seed}
    if epochs:
        keys = ('train_cfg.max_epochs', 'param_scheduler.0.end', 'param_scheduler.0.total_steps')
        given |= dict.fromkeys(keys, epochs)
    if lr:
        given |= dict.fromkeys(('optim_wrapper.optimizer.lr', 'param_scheduler.0.eta_max'), lr)
    for key, value in (given | dict(options)).items():
        try:
            cfg.merge_from_dict({key: copy.deepcopy(value)})
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f'{config}: option {key}={value} does not fit it: {error}') from error
    for name in LOADERS:
        loader = cfg.get(name)
        if loader is None:
            continue
        # trainings share the cores as they are, and starting a worker takes longer than reading a batch
        loader.update(num_workers=0, persistent_workers=False)
        dataset = innermost_dataset(loader)
        dataset.data_root = str(data.folder)
        dataset.ann_file = dataset.ann_file.replace(SHAPES, data.generator)
        if 'metainfo' in dataset:
            dataset.metainfo = dict(classes=data.classes)
    return cfg


def load(path: Path = FILE) -> dict[str, Part]:
    """The parts by name.

    Raises:
        ValueError: If the file has an unknown key, or a claim a cell that is not there.
    """
    content = yaml.safe_load(path.read_text())
    generated = copy.deepcopy(content['data'])
    data = {name: Data(name, arguments.pop('generator'), arguments) for name, arguments in generated.items()}
    return {name: _part(name, given, content['seeds'], data) for name, given in content['parts'].items()}


def _part(name: str, given: Mapping[str, Any], seeds: Sequence[int], data: Mapping[str, Data]) -> Part:
    try:
        tables = dict(
            columns={key: Column(key, **value) for key, value in given['columns'].items()},
            variants={key: Variant(key, **value) for key, value in given['variants'].items()},
            claims=[Claim(**claim) for claim in given['claims']],
        )
        return Part(name=name, seeds=seeds, data=data, **dict(given) | tables)
    except TypeError as error:
        known = ', '.join(field.name for field in fields(Part))
        raise ValueError(f'part {name}: {error}; a part has {known}') from error


def choose(names: Sequence[str], parts: Mapping[str, Part]) -> list[Part]:
    """Parts by their names; all for none.

    Raises:
        ValueError: If there is no such part.
    """
    for name in names:
        if name not in parts:
            raise ValueError(f'PART={name}: there is no such part; choose from {", ".join(parts)}')
    return [parts[name] for name in dict.fromkeys(names)] if names else list(parts.values())
