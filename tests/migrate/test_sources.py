"""What all registered sources promise; the models are compared in the tests of their families."""

import subprocess
import sys

import pytest
import torch

from mmhvt import migrate
from mmhvt.migrate import LoadReport, TensorReport, compare, get_source
from mmhvt.migrate.names import NameTable, prefixed, same
from mmhvt.migrate.report import describe_arch, format_problems, group_names
from mmhvt.migrate.source import Source, register
from mmhvt.registry import MODELS

SOURCES = migrate.all_sources()


@pytest.fixture(params=SOURCES, ids=lambda source: source.name)
def source(request) -> Source:
    return request.param


def test_sources_are_where_their_name_says(source: Source) -> None:
    assert type(source).__module__ == f'mmhvt.migrate.sources.{source.family}.{source.repository}'
    assert get_source(source.name) is source
    assert source.title and type(source).__doc__


@pytest.mark.parametrize('options', [dict(bogus=1), dict(norm_layer='BN')], ids=str)
def test_options_that_are_not_known_are_refused(source: Source, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))) as raised:
        source.backbone_cfg(options)
    assert str(raised.value).startswith(f'{source.title}: ')


@pytest.mark.parametrize(
    'name, options, message',
    [
        ('hiera.fair', dict(embed_dims=128), r'unknown option embed_dims: choose from in_chans, embed_dim,'),
        ('mvit.pyslowfast', dict(DEPTHS=24, NUM_FRAMES=16, CROP=224), r'unknown option DEPTHS: choose from NUM_FRAMES'),
        ('mvit.fair', dict(DEPTHS=24, CROP=224), r'unknown option DEPTHS'),
        ('mvit.detectron2', dict(norm_layer='BN'), r"norm_layer='BN' is not supported: choose 'LN'"),
        ('mvit.detectron2', dict(act_layer='ReLU'), r"act_layer='ReLU' is not supported: choose 'GELU'"),
        ('mvit.detectron2', dict(depth=10), r'depth=10 with last_block_indexes=.*: choose a depth of 16'),
        ('mvit.timm', dict(cfg=dict(bogus=1)), r"timm's MViTv2: unknown option bogus: choose from depths"),
        ('mvit.timm', dict(name='mvitv2_tiny', cfg={}), r'give a name or a cfg, not both'),
        ('vit.clip', dict(vision_cfg=dict(bogus=1)), r"CLIP's ViT: unknown option bogus: choose from image_size"),
        ('swin.mmpretrain', dict(depths=(1, 1), bogus=1, other=2), r"mmdet's Swin: unknown options bogus, other"),
        ('hiera.fair', dict(stages=(1, 1, 1, 1), mask_ratio=0.6), r'unknown option mask_ratio'),
    ],
)
def test_known_traps(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_source(name).backbone_cfg(options)


def test_masked_autoencoders_have_the_options_of_theirs() -> None:
    options = dict(decoder_depth=2, mask_ratio=0.9, norm_layer='LN eps=1e-5')
    cfg = get_source('hiera.fair').mae_cfg(options)
    assert cfg['decoder'] == dict(embed_dims=512, depth=2, num_heads=16, mlp_ratio=4.0)
    assert (cfg['mask_ratio'], cfg['norm_cfg']) == (0.9, dict(type='LN', eps=1e-5))
    with pytest.raises(ValueError, match='unknown option decoder_dims'):
        get_source('hiera.fair').mae_cfg(dict(decoder_dims=64))
    with pytest.raises(ValueError, match="timm's Hiera has no masked autoencoder"):
        get_source('hiera.timm').mae_cfg({})


def test_layer_norm_of_detectron2_has_torchs_eps() -> None:
    source = get_source('mvit.detectron2')
    assert source.backbone_cfg({})['norm_cfg']['eps'] == 1e-5
    assert source.backbone_cfg(dict(norm_layer='LN eps=1e-6'))['norm_cfg']['eps'] == 1e-6


@pytest.mark.parametrize(
    'word, message',
    [
        ('timm', r"no source 'timm': choose from hiera.timm \(timm's Hiera\), mvit.timm .*, vit.timm \(timm's ViT\)$"),
        ('mmaction', r'choose from mvit.mmaction .*, swin.mmaction .*, uniformerv2.mmaction'),
        ('mmaction2', r'choose from mvit.mmaction .*, swin.mmaction .*, uniformerv2.mmaction'),
        ('mmpretrain', r'choose from mvit.mmpretrain .*, swin.mmpretrain .*, vit.mmpretrain'),
        ('torchvision', r'choose from mvit.torchvision .*, swin.torchvision'),
        ('PySlowFast', r"no source 'PySlowFast': write mvit.pyslowfast \(PySlowFast's MViT\)$"),
        ('detectron2', r'choose from mvit.detectron2 .*, swin.detectron2'),
        ('hiera-transformer', r'write hiera.fair'),
        ('CLIP', r'write vit.clip'),
        ('mmdet', r'write swin.mmpretrain'),
        ('mvit', r'choose from mvit.detectron2 .*, mvit.fair .*, mvit.torchvision'),
        ('keras', r"no source 'keras': choose from hiera.fair .*, vit.timm"),
    ],
)
def test_words_that_are_no_name_say_what_to_write(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_source(word)


def test_golden_files_name_sources_by_words_of_their_own() -> None:
    for text, name in {
        'PySlowFast Kinetics/MVITv2_S_16x4.yaml': 'mvit.pyslowfast',
        'detectron2 MViT (MViTv2 detection)': 'mvit.detectron2',
        'hiera-transformer 0.1.4 MAE': 'hiera.fair',
        'UniFormerV2 uniformerv2_b16': 'uniformerv2.opengvlab',
        'Video-Swin SwinTransformer3D': 'swin.video_swin',
    }.items():
        assert migrate.golden_source(text) is get_source(name)
    with pytest.raises(ValueError, match="no source for golden files of 'keras 3': there are hiera-transformer, "):
        migrate.golden_source('keras 3')


OURS = {
    'MViT': dict(
        type='mmhvt.MViT', arch=dict(version=1, embed_dims=8, num_heads=1, depths=(1, 1)), with_cls_token=True
    ),
    'MViTv2': dict(type='mmhvt.MViT', arch=dict(version=2, embed_dims=8, num_heads=1, depths=(1, 1))),
    'MViT of images': dict(
        type='mmhvt.MViT', arch=dict(version=1, embed_dims=8, num_heads=1, depths=(1, 1)), input_size=(32, 32)
    ),
    'SMViT': dict(type='mmhvt.SMViT', arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1))),
    'SMViT of images': dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
        input_size=(64, 64),
        pos_embed='windowed',
    ),
    'Video Swin': dict(type='mmhvt.VideoSwin', arch=dict(embed_dims=8, depths=(1, 1), num_heads=(1, 2))),
    'ViT': dict(type='mmhvt.VisionTransformer', arch=dict(embed_dims=8, num_heads=1, depth=1, patch_size=16)),
    'BEiT': dict(
        type='mmhvt.VisionTransformer', arch=dict(embed_dims=8, num_heads=1, depth=1, patch_size=16), vit='beit'
    ),
    'UniFormerV2': dict(type='mmhvt.UniFormerV2', arch=dict(embed_dims=8, num_heads=1, depth=1, patch_size=16)),
}


@pytest.mark.parametrize('model', OURS)
def test_our_own_files_are_of_no_source(model: str) -> None:
    """With a prefix or of the backbone alone, though many names are those of timm and of PySlowFast."""
    state_dict = MODELS.build(OURS[model]).state_dict()
    head = {'cls_head.fc_cls.weight': torch.zeros(2, 8)}
    assert migrate.identify(state_dict) is None
    assert migrate.identify({f'backbone.{name}': value for name, value in state_dict.items()} | head) is None


MVIT_ARCH = dict(embed_dims=8, num_heads=1, num_layers=2, downscale_indices=[1])
SWIN = dict(embed_dim=8, depths=(1, 1), num_heads=(1, 2))
SWIN_ARCH = dict(embed_dims=8, depths=(1, 1), num_heads=(1, 2))
VIT = dict(embed_dim=8, depth=1, num_heads=1, img_size=64)
UNIFORMERV2 = dict(width=8, layers=2, heads=1, n_head=1, return_list=(1,), t_size=4)
# options of a small model of each source
SMALL = {
    'hiera.fair': dict(embed_dim=8, stages=(1, 1, 1, 1), input_size=(64, 64)),
    'hiera.timm': dict(embed_dim=8, stages=(1, 1, 1, 1), img_size=64, abs_win_pos_embed=True, init_values=0.1),
    'mvit.detectron2': dict(embed_dim=8, depth=4, last_block_indexes=(0, 1, 2, 3), use_abs_pos=True),
    'mvit.fair': dict(EMBED_DIM=8, DEPTH=2, CROP=64, USE_ABS_POS=True, POOL_KV_STRIDE_ADAPTIVE=[2, 2]),
    'mvit.mmaction': dict(arch=MVIT_ARCH, spatial_size=64, temporal_size=4, use_abs_pos_embed=True),
    'mvit.mmpretrain': dict(arch=MVIT_ARCH, img_size=64, out_scales=(0,)),
    'mvit.pyslowfast': dict(EMBED_DIM=8, DEPTH=2, PATCH_PADDING=[1, 3, 3], NUM_FRAMES=4, CROP=64, DIM_MUL=[[1, 2.0]]),
    'mvit.pytorchvideo': dict(
        patch_embed_dim=8,
        depth=2,
        spatial_size=64,
        temporal_size=4,
        embed_dim_mul=[[1, 2.0]],
        pool_q_stride_size=[[1, 1, 2, 2]],
        pool_kv_stride_adaptive=[1, 2, 2],
        pool_kvq_kernel=[3, 3, 3],
    ),
    'mvit.timm': dict(cfg=dict(embed_dim=8, depths=(1, 1), stride_q=((1, 1), (2, 2)), expand_attn=False), img_size=64),
    'mvit.torchvision': dict(name='mvit_v1_b', spatial_size=(64, 64), temporal_size=4),
    'swin.detection': SWIN | dict(out_indices=(0, 1)),
    'swin.detectron2': SWIN | dict(out_indices=(0, 1)),
    'swin.microsoft': SWIN,
    'swin.mmaction': dict(arch=SWIN_ARCH, out_indices=(0, 1)),
    'swin.mmpretrain': SWIN_ARCH | dict(out_indices=(0, 1)),
    'swin.torchvision': SWIN | dict(patch_size=(2, 4, 4), window_size=(8, 7, 7)),
    'swin.video_swin': SWIN | dict(patch_norm=True),
    'uniformerv2.mmaction': UNIFORMERV2 | dict(n_dim=8, n_layers=1),
    'uniformerv2.opengvlab': UNIFORMERV2,
    'vit.beit': VIT | dict(use_rel_pos_bias=True, init_values=0.1),
    'vit.clip': dict(vision_cfg=dict(width=64, layers=1, image_size=64)),
    'vit.google': VIT | dict(embed_dim=64),
    'vit.mmpretrain': dict(
        arch=dict(embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=16), img_size=64, type='DeiT3'
    ),
    'vit.timm': VIT | dict(init_values=0.1, pre_norm=True),
}
# without a classifier of their own
NO_HEAD = ('mvit.detectron2', 'swin.detectron2', 'vit.clip')


def test_all_our_parameters_go_there_and_back(source: Source) -> None:
    backbone = MODELS.build(source.backbone_cfg(SMALL[source.name]))
    state_dict = {f'backbone.{name}': torch.randn(value.shape) for name, value in backbone.state_dict().items()}
    if source.name not in NO_HEAD:
        state_dict |= {'cls_head.fc_cls.weight': torch.randn(3, 8), 'cls_head.fc_cls.bias': torch.randn(3)}
    if source.name == 'vit.beit':  # has none for keys
        for name in [name for name in state_dict if name.endswith('qkv.bias')]:
            state_dict[name].view(3, -1)[1] = 0.0
    theirs = source.export(state_dict)
    assert migrate.identify(theirs) is source
    back = source.state_dict(theirs)
    assert back.keys() == state_dict.keys()
    assert all(torch.equal(back[name], value) for name, value in state_dict.items())


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match='there are two sources mvit.timm'):
        register()(type(get_source('mvit.timm')))


def test_two_parameters_of_one_name_are_refused() -> None:
    class Other(Source):
        family, repository, title = 'other', 'other', 'Other'
        table = NameTable(*same('backbone.', 'norm.{leaf}'), ('fc_norm.{leaf}', 'backbone.norm.{leaf}'))

    assert Other().state_dict({'fc_norm.bias': torch.ones(1)}) == {'backbone.norm.bias': torch.ones(1)}
    with pytest.raises(ValueError, match=r'Other: norm.bias and fc_norm.bias are both our backbone.norm.bias'):
        Other().state_dict({'norm.bias': torch.ones(1), 'fc_norm.bias': torch.ones(1)})
    with pytest.raises(ValueError, match=r"'head.bias' is not a parameter of Other"):
        Other().state_dict({'head.bias': torch.ones(1)})


def test_tables_go_both_ways_and_take_the_first_pair() -> None:
    pairs = (('blocks.{i}.{rest}', 'layers.{i}.{rest}'), ('{name}.{leaf}', 'other.{name}.{leaf}'))
    table = NameTable(*prefixed('a.', 'b.', *pairs))
    assert table.ours('a.blocks.12.attn.qkv.weight') == 'b.layers.12.attn.qkv.weight'
    assert table.ours('a.norm.weight') == 'b.other.norm.weight'
    assert table.theirs('b.other.norm.weight') == 'a.norm.weight'
    assert table.ours('a.blocks.x.y.z') is None and table.ours('norm.weight') is None


def test_importing_it_needs_torch_and_mmengine_alone() -> None:
    code = (
        'import sys, mmhvt.migrate; '
        "print({'mmcv', 'mmaction', 'mmpretrain', 'mmdet', 'timm', 'torchvision'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == 'set()'


# ------------------------------------------------------------------------------------------------------------ reports


def test_a_comparison_counts_and_names() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    content = {name: value for name, value in model.state_dict().items() if not name.endswith(('tracked', '1.bias'))}
    content |= {'0.weight': torch.zeros(3, 4), '2.weight': torch.zeros(1)}
    report = compare(model, content)
    assert (report.num_matching, report.num_expected) == (4, 7)
    assert report.mismatched_keys == ['0.weight'] and report.unexpected_keys == ['2.weight']
    assert report.missing_keys == ['1.bias', '1.num_batches_tracked']
    # files from before PyTorch 0.4.1 do not count batches
    assert [problem.name for problem in report.problems] == ['0.weight', '1.bias', '2.weight']
    assert format_problems(report.problems, most=2) == (
        '0.weight: (3, 4) in the checkpoint, (3, 2) in the model; 1.bias: missing in the checkpoint; and 1 more'
    )
    assert not compare(model, model.state_dict()).problems


def test_reports_add_up() -> None:
    report = LoadReport([TensorReport('a', 'loaded')]) + LoadReport([TensorReport('b', 'summed', '(2,) → (1,)')])
    assert report.num_matching == report.num_expected == 2 and report.changed == [report.tensors[1]]
    assert report.summary() == 'loaded 2 parameters; resized or derived 1: b (2,) → (1,)'
    assert group_names([f'blocks.{i}' for i in range(9)] + ['norm.bias']) == '9 of blocks, norm.bias'


def test_an_arch_is_described_by_its_parameters() -> None:
    parameters = {'patch_embed.proj.weight': torch.zeros(8, 3, 2, 7, 7), 'blocks.0.a': torch.zeros(1)}
    assert describe_arch(parameters) == '8 channels, 1 blocks, patches of 2×7×7'
    assert describe_arch({}) == 'no patch embedding'


def test_inner_norms_of_any_number_of_stages_may_be_missing(tmp_path) -> None:
    """As a classifier's file has the last one alone."""
    cfg = dict(type='mmhvt.MViT', arch=dict(version=2, embed_dims=8, num_heads=1, depths=(1,) * 5), input_size=(64, 64))
    torch.save({f'backbone.{name}': v for name, v in MODELS.build(cfg).state_dict().items()}, tmp_path / 'file.pth')
    model = MODELS.build(cfg | dict(out_indices=(0, 1, 2, 3, 4), out_type='featmap'))
    content = migrate.load(str(tmp_path / 'file.pth'))
    _, report = migrate.adapt_backbone(model, content, 'file.pth')
    assert report.missing_keys == [f'norm{i}.{leaf}' for i in range(4) for leaf in ('weight', 'bias')]
    migrate.load_backbone(model, str(tmp_path / 'file.pth'))
