"""docs/checkpoints.yml: files and accuracies are those that their publishers name, settings apply, the weights fit."""

import re
from argparse import ArgumentParser
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from urllib.parse import urlparse

import pytest
import timm
import torch
import yaml
from mmengine.config import Config, DictAction
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope
from torch import Tensor
from torchvision.models import get_model_weights, video

from helpers import ROOT
from helpers.micro_recipes import build_on_meta
from helpers.published import FILES, PUBLISHED, File
from helpers.published_files import (
    Shapes,
    detectron2_swin,
    mask_rcnn,
    moby,
    pyslowfast_mvit,
    pytorchvideo_mvit,
    simmim,
    swin_classifier,
    swin_in_detector,
    tensors,
    twice,
    uniformerv2,
    upernet,
    video_swin,
)
from helpers.recipes import read
from mmhvt import migrate
from mmhvt.migrate import adapt_backbone
from mmhvt.registry import MODELS

PAGE = (ROOT / 'docs' / 'guides' / 'checkpoints.md').read_text()
# Two rows of mmaction2's metafile repeat the accuracies of a third, which its README of 1.2.0 does not; a data set is
# called by another's name; and the README has other URLs for two files, of which the metafile's cannot be: one has the
# hash of another file, one lacks the folder that all files have beside it.
MISPRINTS = {
    'mvit-base-p244_32x3x1_kinetics400-rgb_20221021-f392cd2d.pth': ('Kinetics-400 81.1', 'Kinetics-400 82.6'),
    'mvit-large-p244_40x3x1_kinetics400-rgb_20221021-11fe1f97.pth': ('Kinetics-400 81.1', 'Kinetics-400 85.4'),
    'uniformerv2-large-p14-res336_clip-kinetics710-pre_u32_kinetics700-rgb_20221219-bfb9f401.pth': (
        'Kinetics-400 82.1',
        'Kinetics-700 82.1',
    ),
}
MISPRINTED_URLS = {
    'uniformerv2-large-p14-res336_clip-kinetics710-pre_u32_kinetics700-rgb_20221219-bfb9f401.pth': (
        'uniformerv2-large-p14-res336_clip-kinetics710-pre_u32_kinetics700-rgb_20221219-95cf9046.pth'
    ),
    'uniformerv2-base-p16-res224_clip-pre_u8_kinetics710-rgb_20230612-63cdbad9.pth': (
        'uniformerv2-base-p16-res224_clip-pre_u8_kinetics710-rgb/'
        'uniformerv2-base-p16-res224_clip-pre_u8_kinetics710-rgb_20230612-63cdbad9.pth'
    ),
}
# configs of files for which mmaction2's metafiles name one that is not there, or another model's
MISPRINTED_CONFIGS = {
    'mvit-small-p244_k400-pre_16xb16-u16-100e_sthv2-rgb_20230201-4065c1b9.pth': (
        'configs/recognition/mvit/mvit-small-p244_k400-pre_16xb16-u16-100e_sthv2-rgb.py'
    ),
    'swin-base-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb_20220930-182ec6cc.pth': (
        'configs/recognition/swin/swin-base-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb.py'
    ),
    'uniformerv2-base-p16-res224_clip_8xb32-u8_kinetics700-rgb_20230313-f02e48ad.pth': (
        'configs/recognition/uniformerv2/uniformerv2-base-p16-res224_clip_8xb32-u8_kinetics700-rgb.py'
    ),
}
# a config has 32 frames where its name, the file's and the metafile say 8, as the authors' file is called, too
MISPRINTED_OPTIONS = {
    'uniformerv2-large-p14-res336_clip-pre_u8_kinetics710-rgb_20230612-d723ddc1.pth': dict(t_size=8),
}


# what loads
ROWS = [file for file in FILES if file.sources]
# rows of files that fit a whole model by a name
WHOLE = [row for row in ROWS if row.name]
# entries of metafiles by name
ENTRIES = {
    entry['Name']: entry
    for path in sorted((ROOT / 'configs').glob('*/metafile.yml'))
    for entry in yaml.safe_load(path.read_text())['Models']
}


def config_of(row: File) -> Config:
    """The config of a row with its settings."""
    config = read(row.config)
    config.merge_from_dict(dict(row.settings))
    return config


def backbone_of(row: File) -> dict:
    """Config of the backbone that a row names: a model's, a recipe's, or its arguments alone."""
    if not row.config:
        return {key: tuple(v) if isinstance(v, list) else v for key, v in row.backbone.items()}
    backbone = config_of(row).model.backbone.to_dict()
    backbone.pop('init_cfg', None)
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
    return {meant_url(url): reported for url, reported in found.items()}


def meant_url(url: str) -> str:
    folder, _, file = url.rpartition('/')
    return f'{folder}/{MISPRINTED_URLS.get(file, file)}'


@cache
def repository_rows() -> list[list[str]]:
    """What READMEs print: heading of the page, URL, reported values, views."""
    lines = (Path(__file__).parent / 'repository_tables.tsv').read_text().splitlines()
    return [line.split('\t') for line in lines if not line.startswith('#')]


VIEWS = {url: views for _, url, _, views in repository_rows() if views}


def repository_files(heading: str) -> dict[str, str]:
    return {url: reported for place, url, reported, _ in repository_rows() if place == heading}


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
        m['Config']: r['Metrics']
        for m in models
        for r in m.get('Results') or []
        if r['Dataset'] == 'ImageNet-1K' and 'Weights' not in m
    }
    found = timm_urls('/mvit/')
    for row in ROWS:
        if row.url in found and 'in1k' in row.file:
            value = printed[f'configs/{row.config}.py']
            found[row.url] = f'ImageNet-1K {value["Top 1 Accuracy Reported By The Paper"]}'
    return found


def clip_files() -> dict[str, str]:
    table = pytest.importorskip('open_clip.pretrained')._PRETRAINED
    encoders = import_module('mmaction.models.backbones.uniformerv2')._MODELS.values()
    openai = [table[name]['openai']['url'] for name in ('ViT-B-16', 'ViT-L-14', 'ViT-L-14-336')]
    return dict.fromkeys([*openai, *encoders], '–')


# The publishers' models: {name: parameter or buffer} as in the row's file; None if nothing builds it.
State = dict[str, Tensor] | None


def torchvision_model(row: File) -> State:
    names = ('mvit_v1_b', 'mvit_v2_s', 'swin3d_t', 'swin3d_s', 'swin3d_b')
    return getattr(video, next(name for name in names if row.url in torchvision_files(name)))().state_dict()


def hiera_model(row: File) -> State:
    return getattr(pytest.importorskip('hiera'), row.file.removesuffix('.pth'))().state_dict()


def timm_model(row: File) -> State:
    name = timm_names().get(row.url) or row.file.removeprefix('timm/')
    if not timm.is_model(name) or row.file.endswith('.npz'):
        return None
    return timm.create_model(name.split('.')[0]).state_dict()


def mvit_model(row: File) -> State:
    """That of timm under the authors' names."""
    return migrate.get_source('mvit.fair').export(migrate.get_source('mvit.timm').state_dict(timm_model(row)))


def openmmlab_config(row: File, *, converted: bool = False) -> dict | None:
    """The model that a metafile says the file is of."""
    package = 'mmaction' if row.publisher == 'mmaction2' else 'mmpretrain'
    folders = OPENMMLAB[row.family, 'mmpretrain, images' if converted else row.publisher]
    for model in (model for folder in folders for model in metafile(package, folder)):
        url = model.get('Converted From', {}).get('Weights') if converted else meant_url(model.get('Weights', ''))
        named = MISPRINTED_CONFIGS.get(row.file, model['Config'])
        if url == row.url:
            path = Path(import_module(package).__file__).parent / '.mim' / named
            theirs = Config.fromfile(path).model
            theirs.pop('data_preprocessor', None)
            for name in ('pretrained', 'pretrained_type', 'init_cfg'):
                theirs.backbone.pop(name, None)
            if theirs.backbone.type == 'UniFormerV2':
                theirs.backbone.clip_pretrained = False
            return theirs
    return None


def openmmlab_model(row: File, *, converted: bool = False) -> State:
    package = 'mmaction' if row.publisher == 'mmaction2' else 'mmpretrain'
    config = openmmlab_config(row, converted=converted)
    if config is None:
        return None
    import_module(f'{package}.models')
    with DefaultScope.overwrite_default_scope(package):
        if row in WHOLE:
            return ROOT_MODELS.build(config).state_dict()
        theirs = ROOT_MODELS.build(config.backbone).state_dict()
    return {f'backbone.{name}': value for name, value in theirs.items()}


def twin(row: File) -> File | None:
    """A row of another publisher's file for the same config."""
    return next(
        (
            other
            for other in WHOLE
            if other.publisher in ('mmaction2', 'torchvision') and config_of(other).filename == config_of(row).filename
        ),
        None,
    )


def renamed_model(row: File) -> State:
    """That of another publisher under the names of the repository."""
    other = twin(row) if row in WHOLE else None
    if other is None:
        return None
    theirs = TABLES[other.family, other.publisher][1](other)
    (source,) = row.sources
    return migrate.get_source(source).export(migrate.convert(theirs, other.file).state_dict)


def swin_model(row: File) -> State:
    """That of mmpretrain under the authors' names."""
    theirs = openmmlab_model(row, converted=True)
    return theirs and migrate.get_source('swin.microsoft').export(
        migrate.get_source('swin.mmpretrain').state_dict(theirs)
    )


def copied_model(row: File) -> State:
    """Of a file that another publisher has under the same name, or a hub with one before it."""
    name = row.file.split('/')[-1]
    if name.startswith('hiera_'):
        model, _, tag = name.partition('.')
        model = model if tag.endswith('ft_in1k') else f'mae_{model}'
        return getattr(pytest.importorskip('hiera'), model)().state_dict()
    (other,) = (other for other in ROWS if other.file == name and other.publisher in COPIED)
    return TABLES[other.family, other.publisher][1](other)


def authors_model(row: File) -> State:
    """Names and shapes of the authors' code."""
    return tensors(WRITTEN[row.family, row.publisher](row))


def classes_of(row: File) -> int:
    head = config_of(row).model.get('cls_head') or config_of(row).model.head
    return head.num_classes


def written_mvit(row: File) -> Shapes:
    size = config_of(row).model.backbone.input_size
    frames, side, kernel = size[0] if len(size) == 3 else 1, size[-1], (3, 3, 3) if len(size) == 3 else (1, 3, 3)
    if row.publisher == 'PyTorchVideo':
        shapes = pytorchvideo_mvit(
            frames, side, classes_of(row), (1, 3, 14), 16, kv_stride=8 if frames > 1 else 4, kernel=kernel
        )
        return twice(shapes) if 'f29' in row.file else shapes
    if row.file in ('k400.pyth', 'k600.pyth'):
        return pyslowfast_mvit(frames, side, classes_of(row), (2, 5, 21), 24, kernel=None)
    return pyslowfast_mvit(
        frames,
        side,
        classes_of(row),
        (1, 3, 14),
        16,
        kv_stride=8 if frames > 1 else 4,
        kernel=kernel,
        last_kv=frames == 1,
    )


def arch_of(row: File) -> str:
    arch = re.search(r'swin[-_](tiny|small|base|large|[tsbl])(?![a-z])', row.file, re.I)[1].lower()
    return next(name for name in ('tiny', 'small', 'base', 'large') if name[0] == arch[0])


def written_video_swin(row: File) -> Shapes:
    window = (16, 7, 7) if 'window1677' in row.file else (8, 7, 7)
    classes = next(
        count for data, count in (('kinetics400', 400), ('kinetics600', 600), ('sthv2', 174)) if data in row.file
    )
    return video_swin(arch_of(row), window, classes)


def written_swin(row: File) -> Shapes:
    """Of microsoft/Swin-Transformer: one of other heads, and SimMIM."""
    if 'c24' in row.file:
        return swin_classifier((96, (2, 2, 6, 2), (4, 8, 16, 32)), 8, 256, 1000)
    backbone = config_of(row).model.backbone
    window, side = backbone.get('window_size', (7, 7))[0], backbone.get('input_size', (224, 224))[0]
    if 'fine-tuned' in row.file:
        return swin_classifier(arch_of(row), window, side, 1000)
    return simmim(arch_of(row), window, side)


def written_detector(row: File) -> Shapes:
    if re.match('(moby_)?mask_rcnn', row.file):
        return mask_rcnn(arch_of(row))
    return swin_in_detector(arch_of(row)) | {'neck.conv.weight': (1,)}


def written_uniformerv2(row: File) -> Shapes:
    size, side = re.search(r'_([bl])1[46]_\d+x(\d+)', row.file).groups()
    local = row.file.startswith('sth')
    shape = dict(b=(12, 768, 16), l=(24, 1024, 14))[size]
    count = {('b', True): 8, ('l', True): 16}.get((size, local), 4)
    return uniformerv2(*shape, int(side), classes_of(row), count, local, row.file.startswith('frozen'))


WRITTEN: dict[tuple[str, str], Callable[[File], Shapes]] = {
    ('MViT', 'PySlowFast'): written_mvit,
    ('MViT', 'PyTorchVideo'): written_mvit,
    ('Video Swin', 'SwinTransformer/Video-Swin-Transformer'): written_video_swin,
    ('Video Swin', 'microsoft/Swin-Transformer, SimMIM and others, images'): written_swin,
    ('Video Swin', 'SwinTransformer/Transformer-SSL, images'): lambda row: (
        moby('tiny') if 'pretrained' in row.file else swin_classifier('tiny', 7, 224, 1000)
    ),
    ('Video Swin', 'SwinTransformer/Swin-Transformer-Object-Detection'): written_detector,
    ('Video Swin', 'SwinTransformer/Swin-Transformer-Semantic-Segmentation'): lambda row: upernet(arch_of(row)),
    ('Video Swin', 'detectron2, ViTDet'): lambda row: detectron2_swin(arch_of(row)),
    ('UniFormerV2', 'OpenGVLab/UniFormerV2'): written_uniformerv2,
}
# tables whose files others have copies of
COPIED = ('facebookresearch/mvit', 'microsoft/Swin-Transformer, images')
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
TABLES: dict[tuple[str, str], tuple[Callable[[], dict[str, str]], Callable[[File], State]]] = {
    ('MViT', 'torchvision'): (lambda: torchvision_files('mvit_v1_b'), torchvision_model),
    ('MViTv2 for videos', 'torchvision'): (lambda: torchvision_files('mvit_v2_s'), torchvision_model),
    ('MViTv2 for videos', 'PySlowFast'): (lambda: repository_files('MViTv2 for videos / PySlowFast'), renamed_model),
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
TABLES |= {key: (partial(repository_files, ' / '.join(key)), authors_model) for key in WRITTEN}
# detectors of detectron2 are written and loaded in test_detectron2_detectors.py
TABLES |= {
    (family, publisher): (partial(repository_files, f'{family} / {publisher}'), model)
    for family, publisher, model in (
        ('MViTv2 for images', 'detectron2, classifiers', copied_model),
        ('MViTv2 for detection', 'detectron2, MViTv2', lambda row: None),
        ('MViTv2 for detection', 'detectron2, ViTDet', lambda row: None),
        ('SMViT', 'facebookresearch/hiera, Hugging Face', copied_model),
        ('Video Swin', 'mmaction2, images', copied_model),
        ('Video Swin', 'detectron2, classifiers', copied_model),
        ('UniFormerV2', 'mmaction2, other files', lambda row: None),
    )
}


@pytest.mark.parametrize('family, publisher', TABLES)
def test_files_and_accuracies_are_those_of_the_packages(family, publisher) -> None:
    table = [row for row in ROWS if (row.family, row.publisher) == (family, publisher)]
    said = {urlparse(url).path: reported for url, reported in TABLES[family, publisher][0]().items()}
    assert {urlparse(row.url).path: row.top1() for row in table} == said


def test_all_tables_are_compared() -> None:
    assert {(row.family, row.publisher) for row in ROWS} == set(TABLES)
    assert len(FILES) == len({file.url for file in FILES})
    assert set(QUICK) <= {row.file for row in ROWS}
    assert all(file.note and not (file.config or file.backbone) for file in FILES if not file.sources)


def test_the_page_is_written_from_the_data() -> None:
    tables = PUBLISHED.checkpoint_tables(PUBLISHED.load())
    parts = re.findall(r'<!-- BEGIN generated: (.+?) -->\n\n(.+?)\n\n<!-- END generated -->', PAGE, re.S)
    assert dict(parts) == {heading: table.strip() for heading, table in tables.items()}, 'run `make recipes`'
    for file in FILES:
        text = PAGE.split(f'\n## {file.family}\n')[1].split(f'\n### {file.publisher}\n')[1].split('\n### ')[0]
        assert f'<!-- BEGIN generated: {file.heading} -->' in text, file.heading
        named = re.match(r'\nSources? .+?\.\s', text)
        assert set(re.findall(r'`(\w+\.\w+)`', named[0] if named else '')) == set(file.sources), file.heading


def test_rows_and_metafiles_agree() -> None:
    """Each file that fits a whole model has an entry in a metafile, and each entry with weights is in a table."""
    entries = {name: entry for name, entry in ENTRIES.items() if 'Weights' in entry}
    assert {row.name: row.url for row in WHOLE} == {name: e['Weights'] for name, e in entries.items()}
    for row in WHOLE:
        entry = entries[row.name]
        found = [(result['Dataset'], result['Metrics']['Top 1 Accuracy']) for result in entry['Results'] or []]
        assert row.top1() == (', '.join(f'{data} {value}' for data, value in found) or '–')
        assert entry['Converted From']['Weights'] == entry['Weights']
    # caches keep files by their last name
    assert len({Path(entry['Weights']).name for entry in entries.values()}) == len(entries)


def test_sources_and_recipes_exist() -> None:
    for row in ROWS:
        assert all(migrate.get_source(name).name == name for name in row.sources), row
        assert backbone_of(row)['type'].startswith('mmhvt.'), row


@pytest.mark.parametrize('row', [pytest.param(row, id=row.file) for row in ROWS if row.settings])
def test_settings_apply(row) -> None:
    """As `--cfg-options`, and each changes what the config has."""
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    given = parser.parse_args(['--cfg-options', *row.options]).cfg_options
    assert given == row.settings
    before, after = read(row.config).to_dict(), config_of(row).to_dict()
    for key, value in row.settings.items():
        *path, last = key.split('.')
        for part in path:
            before, after = (found[int(part)] if isinstance(found, list) else found[part] for found in (before, after))
        assert after[last] == value != before.get(last)
        before, after = read(row.config).to_dict(), config_of(row).to_dict()


@pytest.mark.parametrize('row', [pytest.param(row, id=row.file) for row in ROWS if row.url in VIEWS])
def test_views_are_those_of_the_publisher(row) -> None:
    """With the settings: crops × clips, and the side of crops."""
    config = config_of(row)
    kinds = {transform.type.split('.')[-1]: transform for transform in config.test_dataloader.dataset.pipeline}
    sample = kinds.get('SampleFrames') or kinds['UniformSample']
    crop = kinds.get('ThreeCrop') or kinds['CenterCrop']
    assert f'{3 if "ThreeCrop" in kinds else 1} × {sample.get("num_clips", 1)}' == VIEWS[row.url]
    assert (sample.clip_len, crop.crop_size) == tuple(config.model.backbone.input_size[:2])


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
    'MVIT_B_16x4_CONV, Google Drive', 'k400.pyth', 'MVIT_B_16_CONV, Google Drive', 'MVIT_B_16x4.pyth',
    'MVIT_B_32x3_f294077834.pyth', 'MVIT_B_16_f292487636.pyth', 'facebook/hiera_base_224.mae_in1k',
    'swin_tiny_c24_patch4_window8_256.pth', 'SimMIM, Swin-L, 800 epochs', 'SimMIM, Swin-L, 800 epochs, fine-tuned',
    'swin_base_patch244_window1677_sthv2.pth', 'moby_swin_t_300ep_pretrained.pth',
    'mask_rcnn_swin_tiny_patch4_window7.pth',
    'upernet_swin_base_patch4_window7_512x512.pth', 'COCO/cascade_mask_rcnn_swin_b_in21k',
    'k400_uniformerv2_b16_8x224.pyth', 'frozen_k400_k710_uniformerv2_l14_32x336.pyth',
    'sthv2_uniformerv2_b16_16x224.pyth',
)  # fmt: skip


@pytest.fixture
def meta(monkeypatch):
    """The device without numbers, on which models are built at once."""
    # nothing there can be read, neither the rates of drop path nor whether what was derived is zero
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))
    monkeypatch.setattr(migrate.resizing, '_shapes', lambda before, after: '')
    with torch.device('meta'):
        yield


def assert_fits(row: File, config: dict, theirs: dict[str, Tensor]) -> None:
    backbone = MODELS.build(config)
    ours, source, _ = migrate.convert(theirs, row.file)
    _, report = adapt_backbone(backbone, ours, row.file)  # an error if a parameter does not fit
    assert source.name in row.sources
    assert 'backbone.cls_token' not in report.unexpected_keys
    missing = set(report.missing_keys)
    if row.publisher.endswith(', images') and row.family == 'UniFormerV2':  # an image ViT has no UniBlocks
        missing = {name for name in missing if backbone.optional_part(name) is None}
    assert missing <= ({'norm.weight', 'norm.bias'} if 'mae' in row.file else set())


def fits_whole(row: File) -> bool:
    """Whether the file holds the model of the row's config, not its backbone alone."""
    written = (row.family, row.publisher) in WRITTEN and not re.search('alone|encoder|400 classes', row.note)
    return bool(row.name) or written


def assert_fits_whole(row: File, theirs: dict[str, Tensor]) -> None:
    """Every tensor of the model is in the file, and no other but what is computed."""
    if row.folder == 'coco':
        pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    model = build_on_meta(config_of(row))
    ours, _, left_out = migrate.convert(theirs, row.file)
    state, report = migrate.adapt_model(model, ours, row.file)
    assert not (report.missing_keys or report.unexpected_keys or report.changed), report.summary()
    assert set(left_out.values()) <= {'computed, not learned', 'there twice'}
    buffers = {name for name, _ in model.named_buffers()}
    assert set(model.load_state_dict(state, strict=False).missing_keys) <= buffers


def marked(rows: list[File]) -> list:
    return [pytest.param(row, id=row.file, marks=[] if row.file in QUICK else pytest.mark.slow) for row in rows]


@pytest.mark.parametrize('row', marked(ROWS))
def test_weights_fit(row, meta) -> None:
    theirs = TABLES[row.family, row.publisher][1](row)
    if theirs is None:
        assert row.file not in QUICK
        pytest.skip('no package builds the model of this file')
    assert_fits(row, backbone_of(row), theirs)
    if fits_whole(row):
        assert_fits_whole(row, theirs)


# MVIT sections of SlowFast's configs, as YAML reads them: the last value of a key counts
BASE = dict(
    SEP_POS_EMBED=True,
    PATCH_PADDING=[1, 3, 3],
    DIM_MUL=[[1, 2.0], [3, 2.0], [14, 2.0]],
    HEAD_MUL=[[1, 2.0], [3, 2.0], [14, 2.0]],
    POOL_KVQ_KERNEL=[3, 3, 3],
    POOL_Q_STRIDE=[[1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]],
    CROP=224,
)
BASE_24 = BASE | dict(
    DEPTH=24,
    DIM_MUL=[[2, 2.0], [5, 2.0], [21, 2.0]],
    HEAD_MUL=[[2, 2.0], [5, 2.0], [21, 2.0]],
    POOL_KVQ_KERNEL=None,
    POOL_Q_STRIDE=[[2, 1, 2, 2], [5, 1, 2, 2], [21, 1, 2, 2]],
    POOL_KV_STRIDE_ADAPTIVE=[1, 8, 8],
    NUM_FRAMES=32,
)
STRIDES = [8, 4, 4, *[2] * 11]
OPTIONS = {
    # configs/Kinetics/MVIT_B_16x4_CONV.yaml of 923e947, June 2021
    'MVIT_B_16x4_CONV, Google Drive': BASE
    | dict(POOL_KV_STRIDE=[[i, 1, s, s] for i, s in enumerate(STRIDES)], NUM_FRAMES=16),
    # configs/Kinetics/MVIT_B_32x3_CONV.yaml
    'k400.pyth': BASE_24,
    'k600.pyth': BASE_24,
    # configs/ImageNet/MVIT_B_16_CONV.yaml
    'MVIT_B_16_CONV, Google Drive': BASE
    | dict(
        PATCH_2D=True,
        SEP_POS_EMBED=False,
        PATCH_KERNEL=[7, 7],
        PATCH_STRIDE=[4, 4],
        PATCH_PADDING=[3, 3],
        POOL_KVQ_KERNEL=[1, 3, 3],
        POOL_KV_STRIDE_ADAPTIVE=[1, 4, 4],
        NUM_FRAMES=1,
    ),
    'MVIT_B_16x4.pyth': dict(name='mvit_base_16x4'),
    'MVIT_B_32x3_f294077834.pyth': dict(name='mvit_base_32x3'),
    'MVIT_B_16_f292487636.pyth': dict(name='mvit_base_16'),
}


def options_of(row: File) -> tuple[str, dict] | None:
    """The source of a file and the options of its publisher's model, if a package has them."""
    if row.file in OPTIONS:
        return row.sources[0], OPTIONS[row.file]
    if row.publisher == 'torchvision':
        names = ('mvit_v1_b', 'mvit_v2_s', 'swin3d_t', 'swin3d_s', 'swin3d_b')
        return row.sources[0], dict(name=next(name for name in names if row.url in torchvision_files(name)))
    if row.publisher in ('mmaction2', 'mmpretrain') and (config := openmmlab_config(row)):
        options = {key: value for key, value in config.backbone.items() if key not in ('type', 'clip_pretrained')}
        return row.sources[0], options | MISPRINTED_OPTIONS.get(row.file, {})
    return None


def settings(backbone: dict) -> dict[str, dict]:
    """What the modules of a backbone were built with, aside from what is dropped in training."""
    return {
        name: {'class': type(module).__name__}
        | {key: value for key, value in vars(module).items() if isinstance(value, bool | float | int | str | tuple)}
        for name, module in MODELS.build(backbone).named_modules()
        if type(module).__name__ != 'DropPath'
    }


@pytest.mark.parametrize(
    'row',
    marked([r for r in ROWS if r.file in OPTIONS or (r.name and r.publisher in ('torchvision', 'mmaction2'))]),
)
def test_models_compute_what_their_publishers_do(row, meta) -> None:
    """Options without parameters, such as what is added to a class token, do not show in a file."""
    source, options = options_of(row) or pytest.skip('no package has the model of this file')
    theirs = migrate.get_source(source).backbone_cfg(options)
    same = dict(drop_path_rate=0.0, with_cp=False)  # of training
    ours, expected = settings(backbone_of(row) | same), settings(theirs | same)
    assert ours == expected


def test_weights_fit_the_example(meta) -> None:
    example = {}
    exec(re.search(r'```python\n(.+?)```', PAGE, re.S)[1], example)
    backbone = example['model']['backbone']
    file = backbone.pop('init_cfg')['checkpoint']
    row = next(row for row in ROWS if row.url == file)
    assert_fits(row, backbone, torchvision_model(row))
