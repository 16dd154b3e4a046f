"""Tables of docs/checkpoints.md: files and accuracies are those that installed packages name, and the weights fit."""

import re
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

import pytest
import timm
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope
from torch import Tensor
from torchvision.models import get_model_weights, video

from mmhvt import migrate
from mmhvt.migrate.loading import adapt_backbone
from mmhvt.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'checkpoints.md').read_text()
# two rows of mmaction2's metafile repeat the accuracies of a third, and a data set is called by another's name
MISPRINTS = {
    'mvit-base-p244_32x3x1_kinetics400-rgb_20221021-f392cd2d.pth': ('Kinetics-400 81.1', 'Kinetics-400 (not stated)'),
    'mvit-large-p244_40x3x1_kinetics400-rgb_20221021-11fe1f97.pth': ('Kinetics-400 81.1', 'Kinetics-400 (not stated)'),
    'uniformerv2-large-p14-res336_clip-kinetics710-pre_u32_kinetics700-rgb_20221219-bfb9f401.pth': (
        'Kinetics-400 82.1',
        'Kinetics-700 82.1',
    ),
}


class Row(NamedTuple):
    """Of a table: the cells, and the two headings it stands under."""

    family: str
    source: str
    file: str
    url: str
    backbone: str
    reported: str


def rows() -> list[Row]:
    found = []
    for part in re.split(r'^## ', PAGE, flags=re.M)[1:]:
        family = part.splitlines()[0]
        for table in re.split(r'^### ', part, flags=re.M)[1:]:
            cells = re.findall(r'^\| \[`(.+?)`\]\((.+?)\) \| (.+?) \| (.+?) \|$', table, re.M)
            assert len(cells) == len(re.findall(r'^\|', table, re.M)) - 2, f'{table.splitlines()[0]}: a row reads badly'
            found += [Row(family, table.splitlines()[0], *row) for row in cells]
    return found


ROWS = rows()


def backbone_of(row: Row) -> dict:
    """Config of the backbone that a row names: a recipe's, maybe with changes, or its arguments alone."""
    first, *changes = re.findall(r'`(.+?)`', row.backbone)
    if not first.startswith('configs/'):
        return eval(f'dict({first})')  # of our own page
    backbone = Config.fromfile(ROOT / first).model.backbone.to_dict()
    backbone.pop('init_cfg', None)
    for change in changes:
        backbone |= eval(f'dict({change})')
    return backbone


# What packages say: {path of a URL: reported accuracy}. Hosts move, as mmpretrain's did.


def torchvision_files(*names: str) -> dict[str, str]:
    weights = [weight for name in names for weight in get_model_weights(getattr(video, name))]
    return {w.url: f'Kinetics-400 {w.meta["_metrics"]["Kinetics-400"]["acc@1"]}' for w in weights}


@cache
def metafile(package: str, folder: str) -> list[dict]:
    root = Path(import_module(package).__file__).parent / '.mim' / 'configs'
    return yaml.safe_load((root / folder / 'metafile.yml').read_text())['Models']


def top1(model: dict) -> str:
    names = {'SthV2': 'Something-Something V2', 'ImageNet-1k': 'ImageNet-1K', 'Moments in Time V1': 'Moments in Time'}
    results = [(r['Dataset'], r['Metrics']['Top 1 Accuracy']) for r in model.get('Results') or []]
    return ', '.join(f'{names.get(data, data)} {value}' for data, value in results) or '–'


def openmmlab_files(key: tuple[str, str]) -> dict[str, str]:
    package = 'mmaction' if key[1] == 'mmaction2' else 'mmpretrain'
    models = [(model, pattern) for folder, pattern in OPENMMLAB[key].items() for model in metafile(package, folder)]
    found = {m['Weights']: top1(m) for m, pattern in models if m.get('Weights') and re.search(pattern, m['Weights'])}
    for file, (printed, meant) in MISPRINTS.items():
        for url in found:
            if url.endswith(f'/{file}'):
                assert found[url] == printed, f'{file}: the metafile has been corrected'
                found[url] = meant
    return found


def converted_files(**folders: str) -> dict[str, str]:
    """Files that mmpretrain converted, with the accuracy it found; a pattern for each folder."""
    models = [(model, pattern) for folder, pattern in folders.items() for model in metafile('mmpretrain', folder)]
    origins = [(model['Converted From']['Weights'], model, p) for model, p in models if 'Converted From' in model]
    return {url: top1(model) for url, model, pattern in origins if re.search(pattern, url)}


def timm_urls(pattern: str) -> dict[str, str]:
    return {url: '–' for url in timm_names() if re.search(pattern, url)}


@cache
def timm_names() -> dict[str, str]:
    """{URL that timm has weights from: name}."""
    names = {timm.get_pretrained_cfg(name).url: name for name in timm.list_pretrained()}
    return {url: name for url, name in names.items() if url}


def timm_files(pattern: str) -> dict[str, str]:
    names = [name for name in timm.list_pretrained() if re.fullmatch(pattern, name)]
    return {f'https://huggingface.co/{timm.get_pretrained_cfg(name).hf_hub_id}': '–' for name in names}


def hiera_files(size: str, data: str) -> dict[str, str]:
    """The table of its readme."""
    pytest.importorskip('hiera')
    found = {}
    for line in metadata('hiera-transformer')['Description'].splitlines():
        if re.match(rf'\| Hiera-.*`hiera_\w+{size}`', line):
            pretrained, tuned = re.findall(r'\]\((https://.+?)\)', line)
            found |= {pretrained: '–', tuned: f'{data} {line.split("|")[5].strip()}'}
    return found


def paper_files() -> dict[str, str]:
    """MViTv2 by its authors: timm has the names; the papers' accuracies stand in our metafile."""
    models = yaml.safe_load((ROOT / 'configs/mvitv2/metafile.yml').read_text())['Models']
    printed = {
        m['Config']: r['Metrics'] for m in models for r in m.get('Results') or [] if r['Dataset'] == 'ImageNet-1K'
    }
    found = timm_urls('/mvit/')
    for row in ROWS:
        if row.url in found and 'in1k' in row.file:
            value = printed[re.search('`(.+?)`', row.backbone)[1]]
            found[row.url] = f'ImageNet-1K {value["Top 1 Accuracy Reported By The Paper"]}'
    return found


def clip_files() -> dict[str, str]:
    table = pytest.importorskip('open_clip.pretrained')._PRETRAINED
    encoders = import_module('mmaction.models.backbones.uniformerv2')._MODELS.values()
    openai = [table[name]['openai']['url'] for name in ('ViT-B-16', 'ViT-L-14', 'ViT-L-14-336')]
    return dict.fromkeys([*openai, *encoders], '–')


# The publishers' models: {name: parameter or buffer} as in the row's file; None if nothing builds it.
State = dict[str, Tensor] | None


def torchvision_model(row: Row) -> State:
    names = ('mvit_v1_b', 'mvit_v2_s', 'swin3d_t', 'swin3d_s', 'swin3d_b')
    return getattr(video, next(name for name in names if row.url in torchvision_files(name)))().state_dict()


def hiera_model(row: Row) -> State:
    return getattr(pytest.importorskip('hiera'), row.file.removesuffix('.pth'))().state_dict()


def timm_model(row: Row) -> State:
    name = timm_names().get(row.url) or row.file.removeprefix('timm/')
    if not timm.is_model(name) or row.file.endswith('.npz'):
        return None
    return timm.create_model(name.split('.')[0]).state_dict()


def mvit_model(row: Row) -> State:
    """That of timm under the authors' names."""
    return migrate.source_of('mvit').export(migrate.source_of('timm').state_dict(timm_model(row)))


def openmmlab_model(row: Row, *, converted: bool = False) -> State:
    package = 'mmaction' if row.source == 'mmaction2' else 'mmpretrain'
    folders = OPENMMLAB[row.family, 'mmpretrain, images' if converted else row.source]
    for model in (model for folder in folders for model in metafile(package, folder)):
        url = model.get('Converted From', {}).get('Weights') if converted else model.get('Weights')
        path = Path(import_module(package).__file__).parent / '.mim' / model['Config']
        if url == row.url and path.exists():  # two configs that metafiles name are not there
            backbone = Config.fromfile(path).model.backbone
            for name in ('pretrained', 'pretrained_type', 'init_cfg'):
                backbone.pop(name, None)
            if backbone.type == 'UniFormerV2':
                backbone.clip_pretrained = False
            import_module(f'{package}.models')
            with DefaultScope.overwrite_default_scope(package):
                theirs = ROOT_MODELS.build(backbone).state_dict()
            return {f'backbone.{name}': value for name, value in theirs.items()}
    return None


def swin_model(row: Row) -> State:
    """That of mmpretrain under the authors' names."""
    theirs = openmmlab_model(row, converted=True)
    return theirs and migrate.source_of('swin').export(migrate.source_of('mmpretrain-swin').state_dict(theirs))


OPENMMLAB = {
    ('MViTv2 for videos', 'mmaction2'): {'recognition/mvit': ''},
    ('MViTv2 for images', 'mmpretrain'): {'mvit': ''},
    ('Video Swin', 'mmaction2'): {'recognition/swin': ''},
    ('Video Swin', 'mmpretrain, images'): {'swin_transformer': ''},
    ('UniFormerV2', 'mmaction2'): {'recognition/uniformerv2': ''},
    # of the sizes that UniFormerV2 has names for
    ('UniFormerV2', 'mmpretrain, images'): {
        'vision_transformer': '-p16_',
        'deit3': 'deit3-(base|large)',
        'clip': 'clip-vit-(base-p16|large)',
        'dinov2': 'vit-(base|large)',
        'mae': '/mae_vit-(base|large)-p16_[^/]*$',
    },
}
SWIN = r'/swin_\w+_patch4_window(7_224|12_384)\w*\.pth'
VITS = r'/[BL]_(8|16)-i21k-((?!--).)*\.npz|/dino_vitb|/mae_pretrain_vit_[bl]|/dinov2_vit[bl]14_pretrain'
# {family and source: what the packages say, what builds a row's model}
TABLES: dict[tuple[str, str], tuple[Callable[[], dict[str, str]], Callable[[Row], State]]] = {
    ('MViT', 'torchvision'): (lambda: torchvision_files('mvit_v1_b'), torchvision_model),
    ('MViTv2 for videos', 'torchvision'): (lambda: torchvision_files('mvit_v2_s'), torchvision_model),
    ('MViTv2 for images', 'facebookresearch/mvit'): (paper_files, mvit_model),
    ('MViTv2 for images', 'timm'): (lambda: timm_files(r'mvitv2_\w+\.fb_\w+'), timm_model),
    ('SMViT', 'hiera-transformer, videos'): (lambda: hiera_files('_16x224', 'Kinetics-400'), hiera_model),
    ('SMViT', 'hiera-transformer, images'): (lambda: hiera_files('_224', 'ImageNet-1K'), hiera_model),
    ('SMViT', 'timm, images'): (lambda: timm_files(r'hiera_.*'), timm_model),
    ('Video Swin', 'torchvision'): (lambda: torchvision_files('swin3d_t', 'swin3d_s', 'swin3d_b'), torchvision_model),
    ('Video Swin', 'microsoft/Swin-Transformer, images'): (
        lambda: timm_urls(SWIN) | converted_files(swin_transformer=SWIN),
        swin_model,
    ),
    ('UniFormerV2', 'CLIP, images'): (clip_files, lambda row: None),
    ('UniFormerV2', 'ViTs of other authors, images'): (
        lambda: timm_urls(VITS) | converted_files(vision_transformer=r'/[BL]_16-', deit3=r'/deit_3_(base|large)'),
        timm_model,
    ),
    ('UniFormerV2', 'BEiT, images'): (lambda: converted_files(beit='/beit_', beitv2='/beitv2_'), lambda row: None),
} | {key: (partial(openmmlab_files, key), openmmlab_model) for key in OPENMMLAB}


@pytest.mark.parametrize('family, source', TABLES)
def test_files_and_accuracies_are_those_of_the_packages(family, source):
    table = [row for row in ROWS if (row.family, row.source) == (family, source)]
    assert all(row.url.endswith(f'/{row.file}') for row in table)
    said = {urlparse(url).path: reported for url, reported in TABLES[family, source][0]().items()}
    assert {urlparse(row.url).path: row.reported for row in table} == said


def test_all_tables_are_compared():
    assert {(row.family, row.source) for row in ROWS} == set(TABLES)
    assert len(ROWS) == len({row.url for row in ROWS})
    assert set(QUICK) <= {row.file for row in ROWS}


def sources_of(row: Row) -> set[str]:
    """Those that the page names under the heading of the row's table."""
    text = PAGE.split(f'\n## {row.family}\n')[1].split(f'\n### {row.source}\n')[1]
    return set(re.findall(r'`([\w-]+)`', re.match(r'\nSources? .+?\.\s', text)[0]))


def test_sources_and_recipes_exist():
    for row in ROWS:
        assert all(migrate.source_of(name).NAMES[0] == name for name in sources_of(row)), row
        recipe = re.match(r'`(configs/.+?)`', row.backbone)
        assert (ROOT / recipe[1]).is_file() if recipe else backbone_of(row)['type'].startswith('mmhvt.'), row


# one of each kind; the others, alike but for their size, take a minute
QUICK = (
    'mvit_v1_b-dbeb1030.pth', 'mvit_v2_s-ae3be167.pth', 'swin3d_t-7615ae03.pth', 'MViTv2_T_in1k.pyth',
    'MViTv2_B_in21k.pyth', 'hiera_tiny_224.pth', 'mae_hiera_base_16x224.pth', 'hiera_base_16x224.pth',
    'timm/mvitv2_tiny.fb_in1k', 'timm/hiera_base_224.mae', 'timm/hiera_small_abswin_256.sbb2_e200_in12k',
    'mvit-small-p244_16x4x1_kinetics400-rgb_20221021-9ebaaeed.pth',
    'mvit-small-p244_k400-maskfeat-pre_8xb32-16x4x1-100e_kinetics400-rgb_20230201-5bced1d0.pth',
    'mvitv2-tiny_3rdparty_in1k_20220722-db7beeef.pth',
    'swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb_20220930-241016b2.pth',
    'swin_large_patch4_window12_384_22kto1k.pth', 'swin_base_patch4_window12_384-02c598a4.pth',
    'uniformerv2-base-p16-res224_clip_8xb32-u8_kinetics400-rgb_20230313-e29fc968.pth',
    'deit_3_base_224_21k.pth', 'mae_pretrain_vit_base.pth',
    'clip-vit-base-p16_openai-pre_3rdparty_in1k-384px_20221220-eb012e87.pth',
)  # fmt: skip


@pytest.fixture
def meta(monkeypatch):
    """The device without numbers, on which models are built at once."""
    # nothing there can be read, neither the rates of drop path nor whether what was derived is zero
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))
    monkeypatch.setattr(migrate.fit, '_shapes', lambda before, after: '')
    with torch.device('meta'):
        yield


def assert_fits(row: Row, config: dict, theirs: dict[str, Tensor]) -> None:
    backbone = MODELS.build(config)
    ours, source = migrate.convert(theirs, row.file)
    _, fates = adapt_backbone(backbone, ours, row.file)  # an error if a parameter does not fit
    assert source.NAMES[0] in sources_of(row)
    assert 'backbone.cls_token' not in [fate.name for fate in fates if fate.what == 'left out']
    missing = {fate.name for fate in fates if fate.what == 'missing'}
    if row.family == 'UniFormerV2' and row.source != 'mmaction2':  # an image ViT has no UniBlocks
        missing = {name for name in missing if backbone.optional_part(name) is None}
    assert missing <= ({'norm.weight', 'norm.bias'} if 'mae' in row.file else set())


@pytest.mark.parametrize(
    'row', [pytest.param(row, id=row.file, marks=[] if row.file in QUICK else pytest.mark.slow) for row in ROWS]
)
def test_weights_fit(row, meta):
    theirs = TABLES[row.family, row.source][1](row)
    if theirs is None:
        assert row.file not in QUICK
        pytest.skip('no package builds the model of this file')
    assert_fits(row, backbone_of(row), theirs)


def test_weights_fit_the_example(meta):
    example = {}
    exec(re.search(r'```python\n(.+?)```', PAGE, re.S)[1], example)
    backbone = example['model']['backbone']
    file = backbone.pop('init_cfg')['checkpoint']
    row = next(row for row in ROWS if row.url == file)
    assert_fits(row, backbone, torchvision_model(row))
