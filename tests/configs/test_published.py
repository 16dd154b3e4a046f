"""Configs of published weights: what their metafiles say, and that they differ from recipes in little.

Whether the weights fit is in tests/migrate/test_checkpoint_table.py.
"""

import re
from pathlib import Path

import pytest
import yaml
from mmengine.registry import DefaultScope

from helpers import ROOT
from helpers.micro_recipes import build_on_meta, dataset_of, head_of
from helpers.recipes import PUBLISHED, RECIPES, read
from mmhvt.datasets.labels import configured_classes

ENTRIES = [
    entry
    for path in sorted((ROOT / 'configs').glob('*/metafile.yml'))
    for entry in yaml.safe_load(path.read_text())['Models']
    if 'Weights' in entry
]
# data sets in names of configs
DATA = {
    'Kinetics-400': 'kinetics400', 'Kinetics-600': 'kinetics600', 'Kinetics-700': 'kinetics700',
    'Kinetics-710': 'kinetics710', 'Moments in Time': 'mit', 'Something-Something V2': 'sthv2', 'ImageNet-1K': 'in1k',
    'ImageNet-21K': 'in21k',
}  # fmt: skip
# repositories of publishers in names
CODE = dict(
    torchvision='pytorch/vision',
    pyslowfast='facebookresearch/SlowFast',
    pytorchvideo='facebookresearch/pytorchvideo',
    fair='facebookresearch/(mvit|hiera)',
    swintransformer='SwinTransformer/Video-Swin-Transformer',
    mmaction2='open-mmlab/mmaction2',
    mmpretrain='open-mmlab/mmpretrain',
)


def name_of(config: Path, publisher: str) -> str:
    """A config's name, with the publisher in place of its batch and epochs."""
    if config in PUBLISHED:
        return re.sub(r'_3rdparty(-[a-z0-9]+)?_', f'_3rdparty-{publisher}_', config.stem)
    clip = r'_\d+xb\d+-(?:(?P<clip>\w+)-)?\d+e_'
    return re.sub(clip, lambda m: f'_3rdparty-{publisher}_' + (f'{m["clip"]}_' if m['clip'] else ''), config.stem)


@pytest.mark.parametrize('entry', ENTRIES, ids=lambda entry: entry['Name'])
def test_entry_says_what_the_config_does(entry: dict) -> None:
    path = ROOT / entry['Config']
    publisher = re.search(r'_3rdparty-([a-z0-9]+(-converted)?)_', entry['Name'])[1]
    # one config for the same model from another start, or from one that is not said
    name = re.sub('_k400-16x4-pre', '', name_of(path, publisher))
    assert name in (entry['Name'], entry['Name'].replace('_in21k-pre', ''))
    code = CODE[publisher.removesuffix('-converted')]
    assert re.fullmatch(f'https://github.com/{code}', entry['Converted From']['Code'])
    config, about = read(path), entry['Metadata']
    size = config.model.backbone.get('input_size', (16, 224, 224))
    assert about['Resolution'] == 'x'.join(map(str, size[-2:]))
    assert re.search(rf'_{DATA[about["Training Data"]]}(-rgb)?(-\d+px)?$', entry['Name'])
    assert ('Modality' in entry) == (len(size) == 3)
    for result in entry['Results'] or []:
        assert result['Dataset'] == about['Training Data']
        assert result['Task'] == ('Action Recognition' if len(size) == 3 else 'Image Classification')
        assert 40 < result['Metrics']['Top 1 Accuracy'] < result['Metrics'].get('Top 5 Accuracy', 100)
    assert entry['Weights'].startswith('https://')
    readme = (path.parent / 'README.md').read_text().split('\n## Published weights\n')[1].split('\n## ')[0]
    (row,) = re.findall(rf'^\| `{re.escape(entry["Name"])}` \|.*', readme, re.M)
    assert row.endswith(f'[config]({path.name}) |')
    reported = [str(result['Metrics']['Top 1 Accuracy']) for result in entry['Results'] or []]
    assert all(f'| {value} |' in row for value in reported)


def test_all_configs_of_published_weights_have_some() -> None:
    assert {path.name for path in PUBLISHED} == {
        Path(entry['Config']).name for entry in ENTRIES if '3rdparty' in Path(entry['Config']).name
    }
    assert set(PUBLISHED) <= set(RECIPES)


@pytest.mark.parametrize('path', PUBLISHED, ids=lambda path: path.stem)
def test_config_builds_and_its_test_fits_the_model(path: Path) -> None:
    config = read(path)
    model = build_on_meta(config)
    if config.model.type == 'mmhvt.MAE':
        return
    assert head_of(config).in_channels == model.backbone.embed_dims
    for loader in filter(None, (config.train_dataloader, config.test_dataloader)):
        if 'in21k' not in path.stem:  # whose classes are its folders
            with DefaultScope.overwrite_default_scope(config.default_scope):
                assert len(configured_classes(dataset_of(loader))) == head_of(config).num_classes
    if config.model.type == 'Recognizer3D':
        pipeline = {t.type.removeprefix('mmhvt.'): t for t in config.test_dataloader.dataset.pipeline}
        sample = pipeline.get('SampleFrames') or pipeline['UniformSample']
        crop = pipeline.get('CenterCrop') or pipeline['ThreeCrop']
        assert (sample.clip_len, crop.crop_size, crop.crop_size) == tuple(config.model.backbone.input_size)
        assert config.test_pipeline == config.test_dataloader.dataset.pipeline
