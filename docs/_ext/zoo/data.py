"""Every config of a folder with recipes as one entry: model, data, input, cost, results, weights, schedule, commands.

What is shown comes from configs/*/recipes.yml, configs/papers.yml and docs/checkpoints.yml, by the readers that write
READMEs and metafiles. Names of configs, which tests compare with their contents, tell data, input and batch.
"""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmhvt.analysis import recipes as analysis
from mmhvt.analysis.recipes import FAMILIES as FOLDERS
from mmhvt.analysis.recipes import Recipes, Result

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'tools' / 'dev'))
import make_recipes
import published

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / 'configs'
# by the names of configs, and in the order of filters and colors
FAMILIES = {
    'mvit': 'MViT', 'mvitv2': 'MViTv2', 'smvit': 'SMViT (Hiera)', 'video-swin': 'Video Swin', 'swin': 'Video Swin',
    'uniformerv2': 'UniFormerV2', 'vit': 'ViT',
}  # fmt: skip
PAPERS = dict(mvit='MViT', mvitv2='MViTv2', smvit='SMViT', video_swin='Video Swin', uniformerv2='UniFormerV2')
GENERATED = {
    'moving-shapes': 'moving shapes', 'moving-shapes-40': 'moving shapes, 40 labels', 'moving-actors': 'moving actors',
    'digits': 'digits', 'shapes-coco': 'shapes in the format of COCO',
}  # fmt: skip
DATA = make_recipes.DATA | GENERATED
SIZES = published.SIZES | dict(micro='micro')
DETECTORS = {
    'mask-rcnn': 'Mask R-CNN', 'cascade-mask-rcnn': 'Cascade Mask R-CNN', 'faster-rcnn': 'Faster R-CNN',
    'retinanet': 'RetinaNet', 'dino-4scale': 'DINO',
}  # fmt: skip
METRICS = dict(top1='top-1', top5='top-5', mAP='mAP', box_ap='box AP', mask_ap='mask AP')
# pages that show a file rather than send it
BY_HAND = ('https://drive.google.com/', 'https://huggingface.co/')
LEARNING_RATE, DECAY = 'optim_wrapper.optimizer.lr', 'optim_wrapper.optimizer.weight_decay'
EPOCHS, TEST_SCALE = 'train_cfg.max_epochs', 'test_pipeline.DetResize.scale'
INPUT = 'model.backbone.input_size'


@dataclass(frozen=True)
class Figure:
    """A number as its source prints it.

    Args:
        text: The number, or what is printed for it, such as '55.6 / 48.1'.
        source: Paper and table, or the table of a recipes.yml.
    """

    text: str
    source: str


@dataclass(frozen=True)
class Command:
    """A shell command.

    Args:
        about: What it is for, in a few words.
        text: The command, in one line.
    """

    about: str
    text: str


@dataclass(frozen=True)
class Entry:
    """A config.

    Args:
        path: File.
        folder: Its folder below configs/, which has a page.
        kind: 'recipe' of a README's table, 'weights' for published models that differ from the recipes, 'variant' for
            other tests of a recipe, 'ablation', or 'demo' for small models on generated data.
        family, task, dataset: What filters go by.
        model: Size and clip, as the README's table calls it.
        start: What training starts from, '' if the name alone tells.
        input: ([T,] H, W) of a view; of detectors the sides that tests fit images into, () if
            they keep theirs.
        stride: Frames between those of a clip; None of images and of segments.
        params: Parameters / 10⁶.
        flops: Multiply-adds / 10⁹ of a view.
        views: Crops × clips of the test that has the printed result.
        result: The paper's first result of the config as it is, without top-5.
        results: All results of papers that the config gives, with options or without.
        weights: Published files for it.
        schedule: Epochs, GPUs × samples and learning rate, '' if none of them is known.
        epochs: Of the loader, which name the last checkpoint; None if unknown.
        tests: Whether the config has a test.
        bases: What it inherits from: files, or names in other libraries.
        released: What the authors' weights were trained with, where it is not what the paper prints.
    """

    path: Path
    folder: str
    kind: str
    family: str
    task: str
    dataset: str
    model: str
    start: str
    input: tuple[int, ...]
    stride: int | None
    params: Figure | None
    flops: Figure | None
    views: str | None
    result: Figure | None
    results: tuple[Result, ...]
    weights: tuple[published.File, ...]
    schedule: str
    epochs: int | None
    tests: bool
    bases: tuple[Path | str, ...]
    released: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """Name by which mim finds the config."""
        return self.path.stem

    @property
    def anchor(self) -> str:
        """Id of the entry on its page, as Sphinx makes it of an object's name."""
        return f'recipe-{self.name}'

    @property
    def size(self) -> str:
        """Input as text: '16 × 224²', '224²' or '1333 × 800'."""
        if not self.input:
            return 'as stored'
        *frames, height, width = self.input
        sides = f'{height}²' if height == width else f'{height} × {width}'
        return ' × '.join([*map(str, frames), sides])

    @property
    def cost(self) -> float | None:
        """Multiply-adds / 10⁹ of all views of a test."""
        if self.flops is None:
            return None
        number = float(self.flops.text)
        for factor in (self.views or '1').split('×'):
            number *= int(factor)
        return number

    @property
    def cost_text(self) -> str:
        """Multiply-adds of a view × crops × clips, or a dash."""
        if self.flops is None:
            return '–'
        return ' × '.join([self.flops.text, *(self.views or '').split('×')]) if self.views else self.flops.text

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """Commands to train and to test, then those with published weights."""
        last = f'work_dirs/{self.name}/epoch_{self.epochs}.pth' if self.epochs else 'CHECKPOINT'
        found = [Command('train', f'mim train mmhvt {self.name}')]
        if self.tests:
            found.append(Command('test', f'mim test mmhvt {self.name} --checkpoint {last}'))
        for file in self.weights:
            found += self._with(file) if file.name else []
        if unnamed := [file for file in self.weights if not file.name]:
            direct = [file.url for file in unnamed if not file.url.startswith(BY_HAND)]
            key = 'model.backbone.init_cfg'
            found.append(Command(
                f'fine-tune, backbone from {direct[0].rpartition("/")[2] if direct else "a downloaded file"}',
                f'mim train mmhvt {self.name} --cfg-options {key}.type=Pretrained {key}.checkpoint='
                f'{direct[0] if direct else "FILE"}',
            ))  # fmt: skip
        return tuple(found)

    def _with(self, file: published.File) -> list[Command]:
        options = [shlex.quote(option) for option in file.options]
        test = f'mim test mmhvt {self.name} --checkpoint {file.url}'
        train = ' '.join(['--cfg-options', f'load_from={file.url}', *options])
        further = 'go on from' if self.folder == 'mae' else 'fine-tune'
        return [
            *([Command(f'test {file.name}', ' '.join([test, *(['--cfg-options', *options] if options else [])]))]
              if self.tests else []),
            Command(f'{further} {file.name}', f'mim train mmhvt {self.name} {train}'),
        ]  # fmt: skip


class Zoo:
    """All configs of the folders that have recipes.

    Args:
        configs: Folder `configs` of the repository.
    """

    def __init__(self, configs: Path = CONFIGS) -> None:
        self.recipes = Recipes(configs)
        self.configs = configs
        self._weights: dict[str, list[published.File]] = {}
        for file in published.files(published.load()):
            if file.config and file.sources:
                self._weights.setdefault(file.config, []).append(file)
        self._rows = {
            configs / folder / f'{row["config"]}.py': (title, row)
            for folder in reversed(FOLDERS)
            for title, about in reversed(self.recipes.folders[folder]['tables'].items())
            for row in about['rows']
        }
        self._results: dict[Path, list[Result]] = {}
        for result in self.recipes.results:
            self._results.setdefault(result.config, []).append(result)
        self._chains: dict[Path, dict[str, tuple[Any, Path]]] = {}

    @property
    def sources(self) -> list[Path]:
        """Files that the entries are made from, besides the configs."""
        own = [ROOT / 'docs' / 'checkpoints.yml', self.configs / 'papers.yml']
        return own + [self.configs / folder / 'recipes.yml' for folder in FOLDERS]

    @cached_property
    def entries(self) -> list[Entry]:
        """Entries in the order of the READMEs' tables, then those that are in none."""
        return [entry for folder in FOLDERS for entry in self.folder(folder)]

    def folder(self, folder: str) -> list[Entry]:
        """Entries of a folder."""
        paths = sorted((self.configs / folder).rglob('*.py'))
        listed = [
            self.configs / folder / f'{row["config"]}.py'
            for about in self.recipes.folders[folder]['tables'].values()
            for row in about['rows']
        ]
        order = {path: place for place, path in reversed(list(enumerate(listed)))}
        kinds = ('recipe', 'variant', 'weights', 'ablation', 'demo')
        found = [self.entry(path) for path in paths]
        return sorted(found, key=lambda entry: (kinds.index(entry.kind), order.get(entry.path, len(order)), entry.name))

    def entry(self, path: Path) -> Entry:
        """The entry of a config.

        Raises:
            ValueError: If the name does not tell family or data.
        """
        name, folder = path.stem, path.relative_to(self.configs).parts[0]
        family = _family(path)
        title, row = self._rows.get(path, ('', {}))
        results = self._results.get(path, [])
        first = next((result for result in results if not result.options), None)
        chain = self._chain(path)
        rate, decay, epochs = (self._value(path, chain, key) for key in (LEARNING_RATE, DECAY, EPOCHS))
        training = re.sub(r', (\d+) × (\d+)$', r', \1 GPUs × \2 samples', make_recipes.batch(name)).replace('test', '')
        parts = [training, f'learning rate {rate}' if rate is not None else '']
        parts += [f'weight decay {decay}' if decay is not None else '']
        stride = re.search(r'[_-]\d+x(\d+)x\d+', name)
        return Entry(
            path=path,
            folder=folder,
            kind=self._kind(path),
            family=FAMILIES[family],
            task=_task(folder, name),
            dataset=make_recipes.dataset(name, DATA),
            model=self._model(path),
            start=row.get('from', '') if row.get('from') != 'scratch' else '',
            input=self._input(path, chain),
            stride=int(stride[1]) if stride else None,
            params=self._figure(path, title, row, 'params'),
            flops=self._figure(path, title, row, 'flops'),
            views=self.recipes.printed(path).get('views', row.get('views')),
            result=self._result(path, title, row, folder, first),
            results=tuple(results),
            weights=tuple(self._weights.get(f'{folder}/{path.relative_to(self.configs / folder).with_suffix("")}', ())),
            schedule=', '.join(filter(None, parts)),
            epochs=epochs,
            tests=folder != 'mae' and chain.get('test_dataloader', ('',))[0] is not None,
            bases=analysis.bases(path),
            released=tuple(self.recipes.released(path)),
        )

    def _kind(self, path: Path) -> str:
        if path.parent.name == 'ablations':
            return 'ablation'
        if path in self._rows and not make_recipes.is_other_test(path.stem):
            return 'recipe'
        return 'demo' if 'micro' in path.stem else 'weights' if '3rdparty' in path.stem else 'variant'

    def _model(self, path: Path) -> str:
        """What the README's table calls the model; of configs that are in none, what the name tells."""
        family = _family(path)
        if path in self._rows:
            model = self._rows[path][1]['model']
            if path.parent.name == 'uniformerv2':
                model = f'UniFormerV2-{model}'
            detector = DETECTORS.get(path.stem.partition('_')[0], '')
            return model if detector in model else f'{model}, {detector}'
        base = next((base for base in analysis.bases(path) if base in self._rows), None)
        if isinstance(base, Path) and _family(base) == family:
            return self._model(base)
        size = re.search(rf'(?:^|_){family}-({"|".join(SIZES)})', path.stem)[1]
        short = dict(smvit='SMViT', swin='Swin').get(family, FAMILIES[family])
        return f'{short} {SIZES[size]}' if size == 'micro' else f'{short}-{SIZES[size]}'

    def _input(self, path: Path, chain: Mapping[str, Any]) -> tuple[int, ...]:
        name = path.stem
        if path.is_relative_to(self.configs / 'coco'):
            scale = self._value(path, chain, TEST_SCALE)
            if scale is None:  # of a demo
                steps = {key: value for key, value in analysis.values(path).items() if key.startswith('test_pipeline.')}
                scale = next((value for key, value in steps.items() if re.search(r'Resize\.scale$', key)), ())
            return tuple(scale)
        if 'micro' in name or re.search(r'_\d+x\d+$', name.replace('_10x5', '')):
            return tuple(analysis.values(path)[INPUT])
        frames = re.search(r'[_-](?:(\d+)x\d+x\d+|u(\d+))(?=[_-])', name)
        side = make_recipes.side(name)
        return (*([int(frames[1] or frames[2])] if frames else []), side, side)

    def _figure(self, path: Path, title: str, row: Mapping[str, Any], key: str) -> Figure | None:
        """A figure that a paper prints for the config, or else that its README's table has."""
        for result in self._results.get(path, ()):
            if not result.options and key in result.figures:
                return Figure(str(result.figures[key]), source(result))
        return (
            Figure(str(row[key]), f'configs/{path.relative_to(self.configs).parts[0]}: {title}') if key in row else None
        )

    def _result(
        self, path: Path, title: str, row: Mapping[str, Any], folder: str, first: Result | None
    ) -> Figure | None:
        if first is not None and (text := result_text({**first.figures, 'top5': None})):
            return Figure(text + (' after fine-tuning' if folder == 'mae' else ''), source(first))
        return next(
            (
                Figure(f'{row[key]} AP', f'configs/{path.parent.name}: {title}')
                for key in row
                if key.endswith('as released')
            ),
            None,
        )

    def _chain(self, path: Path) -> dict[str, tuple[Any, Path]]:
        """By key, the value that recipes.yml has (... where it has the source alone) and the file that sets it."""
        if path not in self._chains:
            found: dict[str, tuple[Any, Path]] = {}
            for base in analysis.bases(path):
                found |= self._chain(base) if isinstance(base, Path) else {}
            for key, (_, value) in self.recipes.sources(path).items():
                found[key] = (value, path)
            self._chains[path] = found
        return self._chains[path]

    @staticmethod
    def _value(path: Path, chain: Mapping[str, tuple[Any, Path]], key: str) -> Any:
        """A value of a config, None if nobody sets it.

        Reading all configs takes longer than all other pages: recipes.yml has most values, and files read are bases.
        Demos, whose values have no source, are read.
        """
        if 'micro' in path.stem:
            return analysis.values(path).get(key)
        value, file = chain.get(key, (None, path))
        return analysis.values(file).get(key) if value is ... else value


def _family(path: Path) -> str:
    found = re.search(rf'(?:^|_)({"|".join(sorted(FAMILIES, key=len, reverse=True))})-', path.stem)
    if not found:
        raise ValueError(f'{path}: the name has none of the families {", ".join(FAMILIES)}')
    return found[1]


def _task(folder: str, name: str) -> str:
    folders = dict(mae='masked pre-training', ava='action detection', coco='object detection')
    return folders.get(folder) or ('action recognition' if '-rgb' in name else 'image classification')


def source(result: Result) -> str:
    """Paper and table: 'MViT, table 4'."""
    return f'{PAPERS[result.paper]}, table {result.table}'


def result_text(figures: Mapping[str, Any]) -> str:
    """Accuracies in words: '78.4 top-1, 93.5 top-5'."""
    return ', '.join(f'{figures[key]} {name}' for key, name in METRICS.items() if figures.get(key) is not None)
