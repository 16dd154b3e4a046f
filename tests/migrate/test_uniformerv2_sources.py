"""Published files of image ViTs and of UniFormerV2: read without running anything, converted, equal to their models."""

import argparse
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from mmengine.config import Config
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp
from timm.layers import resample_abs_pos_embed
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table_simple
from timm.models.beit import Beit
from timm.models.vision_transformer import VisionTransformer

from helpers.references import GRADIENTS, OUTPUTS, assert_close, randomize
from helpers.uniformerv2_references import DEPTH, MMACTION_CASES, SIDE, mmaction_case
from mmhvt import migrate
from mmhvt.migrate import get_source
from mmhvt.registry import MODELS

beit = get_source('vit.beit')
clip = get_source('vit.clip')
google_vit = get_source('vit.google')
mmaction_uniformerv2 = get_source('uniformerv2.mmaction')
vit = get_source('vit.timm')

SIZES = dict(patch_size=16, embed_dim=64, depth=DEPTH, num_heads=2)
VISION = dict(image_size=SIDE, layers=DEPTH, width=64, patch_size=16, head_width=32)
TEXT = dict(context_length=8, vocab_size=20, width=32, heads=2, layers=2)


def clip_model(quick_gelu=True, **vision):
    config = dict(vision_cfg=VISION | vision, quick_gelu=quick_gelu)
    vision_cfg = CLIPVisionCfg(**config['vision_cfg'])
    model = randomize(CLIP(32, vision_cfg, CLIPTextCfg(**TEXT), quick_gelu=quick_gelu))
    model.logit_scale.data.fill_(1.0)
    return config, model


def vit_model(**kwargs):
    config = SIZES | dict(img_size=SIDE, num_classes=5) | kwargs
    eps = float(config.get('norm_layer', 'LN eps=1e-6').split('=')[1])
    layers = dict(norm_layer=lambda dims, **kw: torch.nn.LayerNorm(dims, eps=eps, **kw))
    if config.get('act_layer') == 'quick_gelu':
        layers['act_layer'] = 'quick_gelu'
    return config, randomize(VisionTransformer(**config | layers))


def beit_model(**kwargs):
    config = SIZES | dict(img_size=SIDE, num_classes=5, init_values=0.1, use_abs_pos_emb=False) | kwargs
    return config, randomize(Beit(**config))


def halved(model):
    """As OpenAI publishes its models: half precision where it does not hurt, and scalars of the architecture."""
    convert_weights_to_lp(model)
    content = model.state_dict()
    scalars = dict(input_resolution=SIDE, context_length=8, vocab_size=20)
    content |= {name: torch.tensor(value) for name, value in scalars.items()}
    model.float()
    return content


def half_archive(model, path):
    """As OpenAI publishes its models: TorchScript, half precision."""
    example = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, TEXT['context_length'], dtype=torch.int)
    torch.jit.save(torch.jit.trace(model, example, check_trace=False).half(), path)
    model.float()  # of which the traced one's parameters are


def like_mae(model):
    """MAE's pre-training, whose decoder is there too."""
    decoder = dict(mask_token=(1, 1, 8), decoder_pos_embed=(1, 17, 8), **{'decoder_embed.weight': (8, 64)})
    decoder |= {'decoder_blocks.0.attn.qkv.weight': (24, 8), 'decoder_norm.weight': (8,), 'decoder_pred.bias': (768,)}
    own = {name: value for name, value in model.state_dict().items() if not name.startswith('head.')}
    return own | {name: torch.randn(shape) for name, shape in decoder.items()}


def like_dino(model):
    """DINO's training: student and teacher, each with a projection, and the command line."""
    own = {f'backbone.{k}': v for k, v in model.state_dict().items() if not k.startswith('head.')}
    teacher = own | {'head.mlp.0.weight': torch.randn(8, 64), 'head.last_layer.weight_g': torch.randn(8, 1)}
    student = {f'module.{name}': torch.zeros_like(value) for name, value in teacher.items()}
    args = argparse.Namespace(arch='vit_base', lr=0.0005, local_crops_scale=(0.05, 0.25))
    return dict(student=student, teacher=teacher, optimizer=dict(state={}), epoch=100, args=args)


def like_deit(model):
    """DeiT III's own names."""
    return dict(model={re.sub(r'ls(\d)\.gamma', r'gamma_\1', k): v for k, v in model.state_dict().items()})


def like_beit(model):
    """BEiT's own files, which have the places in the table."""
    index = model.blocks[0].attn.relative_position_index
    places = {f'blocks.{i}.attn.relative_position_index': index for i in range(DEPTH)}
    return dict(model=model.state_dict() | places)


def like_beit_pretraining(model):
    index = {'rel_pos_bias.relative_position_index': model.rel_pos_bias.relative_position_index}
    others = dict(mask_token=(1, 1, 64), **{'lm_head.weight': (8, 64), 'lm_head.bias': (8,)})
    others |= {'cls_pt_layers.0.attn.q_bias': (64,), 'cls_pt_layers.0.attn.v_bias': (64,)}  # of BEiT v2
    others = {name: torch.randn(shape) for name, shape in others.items()}
    own = {name: value for name, value in model.state_dict().items() if not name.startswith('head.')}
    return dict(model=own | index | others)


def arrays(model, path):
    """Google's file of a ViT, made from timm's names without our map."""
    flax = {}
    for name, value in model.state_dict().items():
        value = value.numpy()
        if name == 'cls_token':
            flax['cls'] = value
        elif name == 'pos_embed':
            flax['Transformer/posembed_input/pos_embedding'] = value
        elif name.startswith('patch_embed.proj.'):
            kind = 'kernel' if value.ndim == 4 else 'bias'
            flax[f'embedding/{kind}'] = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
        elif '.attn.qkv.' in name:
            where = f'Transformer/encoderblock_{name.split(".")[1]}/MultiHeadDotProductAttention_1'
            for part, piece in zip(('query', 'key', 'value'), np.split(value, 3), strict=True):
                kind = 'kernel' if piece.ndim == 2 else 'bias'
                flax[f'{where}/{part}/{kind}'] = piece.T.reshape(*piece.T.shape[:-1], -1, 64)
        elif '.attn.proj.' in name:
            where = f'Transformer/encoderblock_{name.split(".")[1]}/MultiHeadDotProductAttention_1/out'
            kind = 'kernel' if value.ndim == 2 else 'bias'
            flax[f'{where}/{kind}'] = value.T.reshape(-1, 64, len(value)) if value.ndim == 2 else value
        else:
            block = re.match(r'blocks\.(\d+)\.', name)
            where = f'Transformer/encoderblock_{block[1]}/' if block else ''
            layers = {'norm1': 'LayerNorm_0', 'norm2': 'LayerNorm_2', 'fc1': 'MlpBlock_3/Dense_0'}
            layers |= {'fc2': 'MlpBlock_3/Dense_1', 'norm': 'Transformer/encoder_norm', 'head': 'head'}
            *_, layer, leaf = name.split('.')
            leaf = leaf.replace('weight', 'scale' if 'norm' in layer else 'kernel')
            flax[f'{where}{layers[layer]}/{leaf}'] = value.T
    np.savez(path, **flax)


LAYER_SCALE = dict(init_values=0.1, no_embed_class=True)
TIMM_CLIP = dict(pre_norm=True, norm_layer='LN eps=1e-5', act_layer='quick_gelu')
# source, what makes (config, model), what makes the content of a file or writes it
FILES = {
    'OpenAI archive': (clip, clip_model, half_archive),
    'OpenAI state dict': (clip, clip_model, halved),
    'open_clip': (
        clip,
        lambda: clip_model(quick_gelu=False),
        lambda model: dict(epoch=1, name='run', state_dict={f'module.{k}': v for k, v in model.state_dict().items()}),
    ),
    'open_clip layer scale': (clip, lambda: clip_model(ls_init_value=0.1), CLIP.state_dict),
    'image encoder of CLIP': (clip, clip_model, lambda model: model.visual.state_dict()),
    'timm': (vit, vit_model, VisionTransformer.state_dict),
    'timm without head': (vit, lambda: vit_model(num_classes=0), VisionTransformer.state_dict),
    'timm CLIP': (vit, lambda: vit_model(**TIMM_CLIP), VisionTransformer.state_dict),
    'timm DeiT III': (vit, lambda: vit_model(**LAYER_SCALE), VisionTransformer.state_dict),
    'DeiT III': (vit, lambda: vit_model(**LAYER_SCALE), like_deit),
    'DINO': (vit, lambda: vit_model(num_classes=0), VisionTransformer.state_dict),
    'DINO training': (vit, vit_model, like_dino),
    'DINOv2': (
        vit,
        lambda: vit_model(init_values=1e-5, num_classes=0, patch_size=8),
        lambda model: model.state_dict() | dict(mask_token=torch.zeros(1, 64)),
    ),
    'MAE': (vit, vit_model, lambda model: dict(model=like_mae(model))),
    'MAE fine-tuned': (vit, lambda: vit_model(global_pool='avg'), VisionTransformer.state_dict),
    'Google': (google_vit, lambda: vit_model(embed_dim=128), arrays),
    'BEiT': (beit, lambda: beit_model(use_rel_pos_bias=True, global_pool='token'), like_beit),
    'BEiT fine-tuned': (beit, lambda: beit_model(use_rel_pos_bias=True), like_beit),
    'BEiT pre-training': (
        beit,
        lambda: beit_model(use_shared_rel_pos_bias=True, global_pool='token'),
        like_beit_pretraining,
    ),
    'BEiT without biases': (
        beit,
        lambda: beit_model(use_rel_pos_bias=True, qkv_bias=False, global_pool='token'),
        Beit.state_dict,
    ),
}


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """Files as they are published, and the models that they are of."""
    folder, done = tmp_path_factory.mktemp('published'), {}

    def make(case):
        if case not in done:
            torch.manual_seed(0)
            source, build, publish = FILES[case]
            config, model = build()
            path = folder / f'{len(done)}{".npz" if publish is arrays else ".pt"}'
            if publish in (arrays, half_archive):
                publish(model, path)
            else:
                torch.save(publish(model), path)
            done[case] = source, config, model, str(path)
        return done[case]

    return make


def tokens(model, images):
    """All tokens (N, L, C) that the last block of a reference gives, and its final norm."""
    visual = getattr(model, 'visual', model)
    block = visual.transformer.resblocks[-1] if hasattr(visual, 'transformer') else visual.blocks[-1]
    norms = [getattr(visual, name, None) for name in ('ln_post', 'norm', 'fc_norm')]
    found = []
    hook = block.register_forward_hook(lambda module, args, output: found.append(output))
    visual(images) if visual is not model else model.forward_features(images)
    hook.remove()
    return found[0], next(norm for norm in norms if isinstance(norm, torch.nn.LayerNorm))


# the ViT within it, without UniBlocks
UNIFORMERV2 = dict(type='mmhvt.UniFormerV2', global_layers=None)


def loaded(source, config, path, size=(2, SIDE, SIDE), **kwargs):
    """Our model of a reference's config, with its file loaded as a config says it."""
    init_cfg = dict(type='Pretrained', checkpoint=path)
    cfg = source.backbone_cfg(config) | dict(input_size=size, init_cfg=init_cfg) | kwargs
    model = MODELS.build(cfg)
    model.init_weights()
    return model.eval()


def frames(clips):
    """(N, C, T, H, W) -> (N · T, C, H, W)."""
    return clips.transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize('case', FILES)
@torch.no_grad()
def test_every_frame_is_the_vits(case, published) -> None:
    source, config, reference, path = published(case)
    x = torch.randn(2, 3, 2, SIDE, SIDE)
    theirs, norm = tokens(reference, frames(x))
    ours = loaded(source, config, path, out_type='raw')(x)[0]
    assert_close(ours, theirs.reshape(ours.shape), OUTPUTS, 'tokens')
    ours = loaded(source, config, path, out_type='raw', **UNIFORMERV2)(x)[0]
    assert_close(ours, theirs[:, 1:].reshape(ours.shape), OUTPUTS, 'patches')
    dtype = torch.float16 if 'OpenAI' in case else torch.float32
    assert dtype in {value.dtype for value in migrate.read(path).values()}

    # with all that is new at zero, the class tokens of the frames alone tell
    everything = dict(UNIFORMERV2, local_layers='all', global_layers='last 2')
    ours = loaded(source, config, path, **everything)(x)[0]
    assert_close(ours, norm(theirs[:, 0].unflatten(0, (2, 2)).mean(1)), 1e-4, 'feature')

    images = loaded(source, config, path, (SIDE, SIDE))(x[:, :, 0])[0]
    assert_close(images, norm(tokens(reference, x[:, :, 0])[0][:, 0]), OUTPUTS, 'class token of images')


@torch.no_grad()
def test_mean_of_patches_is_normed_as_theirs(published) -> None:
    for case in ('BEiT fine-tuned', 'MAE fine-tuned'):
        source, config, reference, path = published(case)
        x = torch.randn(2, 3, SIDE, SIDE)
        ours = loaded(source, config, path, (SIDE, SIDE), out_type='avg_featmap')(x)[0]
        assert_close(ours, reference.forward_head(reference.forward_features(x), pre_logits=True), OUTPUTS, case)


@pytest.mark.parametrize('inflation', ['center', 'mean'])
@pytest.mark.parametrize('case', ['OpenAI archive', 'timm', 'BEiT'])
@torch.no_grad()
def test_patches_of_three_frames(case, inflation, published) -> None:
    source, config, reference, path = published(case)
    x = torch.randn(1, 3, 4, SIDE, SIDE)
    changes = dict(UNIFORMERV2, temporal_downsample=True, inflation=inflation, out_type='raw')
    model = loaded(source, config, path, (4, SIDE, SIDE), **changes)
    if inflation == 'center':
        seen = x[:, :, ::2]
    else:
        padded = torch.nn.functional.pad(x, (0, 0, 0, 0, 1, 1))
        seen = torch.stack([padded[:, :, i : i + 3].mean(2) for i in (0, 2)], 2)
    theirs = tokens(reference, frames(seen))[0][:, 1:]
    ours = model(x)[0]
    assert_close(ours, theirs.reshape(ours.shape), OUTPUTS, 'patches')


def test_positions_are_resized_in_single_precision(published) -> None:
    source, config, reference, path = published('OpenAI archive')
    model = loaded(source, config, path, (2, 96, 96))
    expected = resample_abs_pos_embed(
        reference.visual.positional_embedding[None], [6, 6], num_prefix_tokens=1, antialias=False, verbose=False
    )
    assert model.pos_embed.spatial.dtype == torch.float32
    assert_close(model.pos_embed.spatial, expected[:, 1:], 1e-6, 'positions')
    assert torch.equal(model.pos_embed.cls, expected[:, :1])
    source, config, reference, path = published('BEiT')
    model = loaded(source, config, path, (2, 96, 96))
    for ours, theirs in zip(model.blocks, reference.blocks, strict=True):
        table = theirs.attn.relative_position_bias_table
        expected = resize_rel_pos_bias_table_simple(table, (6, 6), (11 * 11 + 3, 2))
        assert_close(ours.attn.rel_pos.table, expected, 1e-6, 'table')


def test_report_counts_what_is_left_out(published, monkeypatch) -> None:
    source, config, reference, path = published('OpenAI archive')
    reports = []
    monkeypatch.setattr(migrate, 'print_log', lambda text, *_: reports.append(text))
    loaded(source, config, path, type='mmhvt.UniFormerV2', local_layers='all', global_layers='last 2')
    (report,) = reports
    text = sum(not name.startswith('visual.') for name in migrate.read(path))
    assert text > 20 and f'left out {text + 1}: image_projection, {text} of text_tower' in report
    assert re.search(r'left as initialized: alpha_logit, \d+ of blocks, \d+ of fusion$', report), report
    assert len(report) < 600


# of which export writes a variant: timm's names, the final norm as `norm`, a table in each block
RENAMED = ('DeiT III', 'DINO training', 'MAE fine-tuned', 'BEiT fine-tuned', 'BEiT pre-training')


@pytest.mark.parametrize('case', [case for case in FILES if case not in RENAMED])
def test_export_is_the_inverse(case, published) -> None:
    source, _, _, path = published(case)
    theirs = migrate.read(path)
    back = source.export(source.state_dict(theirs))
    theirs = {name: value for name, value in theirs.items() if not name.endswith('relative_position_index')}
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], value) for name, value in theirs.items())


@pytest.mark.parametrize('case', RENAMED)
def test_export_keeps_what_it_names_otherwise(case, published) -> None:
    source, _, _, path = published(case)
    ours = source.state_dict(migrate.read(path))
    back = source.state_dict(source.export(ours))
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], value) for name, value in ours.items())


def test_google_files_are_as_timm_reads_them(published, tmp_path) -> None:
    _, config, reference, path = published('Google')
    model = VisionTransformer(**config)
    model.load_pretrained(path)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in reference.state_dict().items())


def test_sources_tell_each_other_apart(published) -> None:
    for case in FILES:
        source, _, _, path = published(case)
        theirs = migrate.read(path)
        assert migrate.identify(theirs) is source, case
        assert migrate.identify(source.state_dict(theirs)) is None, "ours is nobody else's"
    with torch.device('meta'):
        for name in ('vit_base_patch16_224', 'deit3_base_patch16_224', 'vit_large_patch14_clip_224'):
            theirs = timm.create_model(name).state_dict()
            assert migrate.identify(theirs) is vit, name
        theirs = timm.create_model('beit_base_patch16_224').state_dict()
        assert migrate.identify(theirs) is beit


PUBLISHED = {
    'vit_base_patch16_224': dict(arch='base', vit='vit'),
    'vit_base_patch16_224.dino': dict(arch='base', vit='vit'),
    'vit_base_patch16_224.mae': dict(arch='base', vit='vit'),
    'vit_base_patch16_clip_quickgelu_224.openai': dict(arch='base', vit='clip'),
    'vit_base_patch16_clip_224': dict(arch='base', vit='open_clip'),
    'vit_large_patch14_clip_quickgelu_224': dict(arch='large', vit='clip'),
    'vit_large_patch14_clip_quickgelu_336': dict(arch='large', vit='clip', input_size=(32, 336, 336)),
    'vit_large_patch16_224': dict(arch='large', patch_size=16, vit='vit'),
    'vit_base_patch14_dinov2': dict(arch='base', patch_size=14, vit='deit3', input_size=(8, 518, 518)),
    'deit3_base_patch16_224': dict(arch='base', vit='deit3'),
    'deit3_large_patch16_384': dict(arch='large', patch_size=16, vit='deit3', input_size=(8, 384, 384)),
    'beit_base_patch16_224': dict(arch='base', vit='beit'),
    'beitv2_large_patch16_224': dict(arch='large', patch_size=16, vit='beit'),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_models_have_our_parameters(name) -> None:
    with torch.device('meta'):
        ours = MODELS.build(dict(type='mmhvt.UniFormerV2', **PUBLISHED[name]))
        theirs = timm.create_model(name.split('.')[0])
    norms = {module.eps for module in theirs.modules() if isinstance(module, torch.nn.LayerNorm)}
    assert norms == {module.eps for module in ours.blocks.modules() if isinstance(module, torch.nn.LayerNorm)}
    source = beit if 'beit' in name else vit
    converted = {k[9:]: v.shape for k, v in source.state_dict(theirs.state_dict()).items() if k.startswith('backbone.')}
    expected = {k: v.shape for k, v in ours.state_dict().items() if k == 'norm.weight' or ours.optional_part(k) is None}
    own = expected | {'norm.bias': expected['norm.weight']}
    if 'patch_embed.proj.weight' in own:  # one frame deep
        converted['patch_embed.proj.weight'] = own['patch_embed.proj.weight']
    assert converted == own


def micro(**kwargs):
    arch = dict(embed_dims=64, num_heads=2, depth=DEPTH, patch_size=16)
    settings = dict(type='mmhvt.UniFormerV2', arch=arch, input_size=(2, SIDE, SIDE), global_layers='last 2')
    return MODELS.build(settings | kwargs)


def resnet_clip():
    return CLIP(32, CLIPVisionCfg(layers=(1, 1, 1, 1), width=8, image_size=SIDE), CLIPTextCfg(**TEXT)).state_dict()


def text_only():
    return {k: v for k, v in clip_model()[1].state_dict().items() if not k.startswith('visual.')}


OTHERS = {
    'wider, smaller patches': (
        lambda: clip_model(width=96, patch_size=8)[1].state_dict(),
        {},
        r'do not match \(.*cls_token \(1, 1, 96\) for \(1, 1, 64\).*'
        r'expected: 64 channels, 3 blocks, patches of 1×16×16; in the file: 96 channels, 3 blocks, patches of 8×8',
    ),
    'larger patches': (
        lambda: clip_model(patch_size=32)[1].state_dict(),
        {},
        r'1 of \d+ parameters do not match \(patch_embed.proj.weight \(64, 3, 1, 32, 32\) for \(64, 3, 1, 16, 16\)\)',
    ),
    'deeper': (
        lambda: clip_model(layers=4)[1].state_dict(),
        {},
        r'12 of .*blocks\.3\..* is not in the model.*3 blocks.*in the file: 64 channels, 4 blocks',
    ),
    'shallower': (lambda: clip_model(layers=2)[1].state_dict(), {}, r'12 of .* \(blocks\.2\.norm1\.weight missing'),
    'text alone': (text_only, {}, r'image encoder is not in the file, .*expected a ViT with visual.class_embedding'),
    'ResNet': (resnet_clip, {}, r'image encoder has attnpool, bn1, .*layer1.*expected a ViT with visual.class_emb'),
    'ViT for CLIP': (lambda: vit_model()[1].state_dict(), {}, r'pre_norm.weight missing'),
    'CLIP for ViT': (lambda: clip_model()[1].state_dict(), dict(vit='vit'), r'patch_embed.proj.bias missing; pre_norm'),
    'layer scale for ViT': (
        lambda: vit_model(**LAYER_SCALE)[1].state_dict(),
        dict(vit='vit'),
        r'blocks\.0\.ls1\.gamma is not in the model',
    ),
    'ViT for layer scale': (lambda: vit_model()[1].state_dict(), dict(vit='deit3'), r'blocks\.0\.ls1\.gamma missing'),
    'ViT for BEiT': (lambda: vit_model()[1].state_dict(), dict(vit='beit'), r'blocks\.0\.ls1\.gamma missing'),
    'BEiT for ViT': (
        lambda: beit_model(use_rel_pos_bias=True)[1].state_dict(),
        dict(vit='vit'),
        r'pos_embed\.spatial missing',
    ),
    'registers': (
        lambda: vit_model(reg_tokens=4)[1].state_dict(),
        dict(vit='vit'),
        r"'reg_token' is not a parameter of",
    ),
    'Swin': (lambda: timm.create_model('swin_tiny_patch4_window7_224').state_dict(), {}, r'cls_token missing'),
}


@pytest.mark.parametrize('case', OTHERS)
def test_files_of_other_models_are_refused(case, tmp_path) -> None:
    make, settings, message = OTHERS[case]
    torch.save(make(), tmp_path / 'other.pth')
    model = micro(**settings, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'other.pth')))
    with pytest.raises(ValueError, match=message) as raised:
        model.init_weights()
    assert str(raised.value).startswith(str(tmp_path / 'other.pth')) and '\n' not in str(raised.value)


def test_local_blocks_of_a_file_are_not_dropped(tmp_path) -> None:
    torch.save({f'backbone.{k}': v for k, v in micro(local_layers='all').state_dict().items()}, tmp_path / 'local.pth')
    with pytest.raises(ValueError, match=r'blocks\.0\.temporal1\.\w+\.\w+ is not in the model'):
        migrate.load_backbone(micro(), str(tmp_path / 'local.pth'))
    migrate.load_backbone(micro(local_layers='all'), str(tmp_path / 'local.pth'))


def rewritten(path, target, change):
    """A copy of an archive whose pickle is another."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, 'w') as copy:
        for name in archive.namelist():
            content = archive.read(name)
            copy.writestr(name, change(content) if name.endswith('/data.pkl') else content)
    return str(target)


class Runs:
    """What runs a command when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ('ran',))


@pytest.mark.parametrize('change, message', [
    (lambda content: pickle.dumps(Runs(), 2), r'posix\.mkdir is not allowed in a checkpoint'),
    (lambda content: content.replace(b'torch._utils\n_rebuild_tensor_v2', b'os\nsystem'), r'os\.system is not allowed'),
    (lambda content: content.replace(b'HalfStorage', b'NoneStorage'), r'torch\.NoneStorage is not allowed'),
    (lambda content: content.replace(b'storage', b'network'), r"'network' is not allowed"),
    (lambda content: content[:200], r'is it whole'),
    (lambda content: pickle.dumps(OrderedDict(), 2), r'not a tree of modules'),
], ids=['mkdir', 'system', 'dtype', 'storage', 'cut', 'no module'])  # fmt: skip
def test_archives_run_nothing(change, message, published, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = rewritten(published('OpenAI archive')[3], tmp_path / 'changed.pt', change)
    with pytest.raises(ValueError, match=message):
        migrate.read(path)
    assert not (tmp_path / 'ran').exists()


def test_archives_that_are_cut_off_or_lack_records_are_refused(published, tmp_path) -> None:
    path = Path(published('OpenAI archive')[3])
    (tmp_path / 'cut.pt').write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match='is it whole'):
        migrate.read(str(tmp_path / 'cut.pt'))
    for change in ('less', 'none'):
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / f'{change}.pt', 'w') as copy:
            for name in archive.namelist():
                record = name.endswith('/data/0')
                if not (record and change == 'none'):
                    copy.writestr(name, archive.read(name)[: 64 if record else None])
        with pytest.raises(ValueError, match='is it whole'):
            migrate.read(str(tmp_path / f'{change}.pt'))


def test_archives_have_what_torch_reads(published) -> None:
    path = published('OpenAI archive')[3]
    theirs = torch.jit.load(path, map_location='cpu').state_dict()
    ours = migrate.read(path)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].dtype == value.dtype and torch.equal(ours[name], value) for name, value in theirs.items())


def test_arrays_of_objects_are_refused(tmp_path) -> None:
    np.savez(tmp_path / 'objects.npz', **{'embedding/kernel': np.array([Runs()], dtype=object)})
    with pytest.raises(ValueError, match='Object arrays cannot be loaded'):
        migrate.read(str(tmp_path / 'objects.npz'))


@pytest.mark.parametrize(
    'source, config, message',
    [
        (clip, dict(vision_cfg=dict(layers=(3, 4, 6, 3), timm_model_name='resnet50')), r"timm_model_name='resnet50'"),
        (clip, dict(vision_cfg=dict(pool_type='avg')), r"pool_type='avg' is not supported: choose 'tok'"),
        (clip, dict(vision=VISION), r"CLIP's ViT: unknown option vision: choose from vision_cfg"),
        (vit, dict(reg_tokens=4), r'reg_tokens=4 is not supported: choose 0'),
        (vit, dict(norm_layer='BN'), r"norm_layer='BN' is not supported: choose 'LN'"),
        (vit, dict(patch_size=(16, 8)), r'patch_size=\(16, 8\) is not supported: give one number'),
        (beit, dict(swiglu_mlp=True), r'swiglu_mlp=True is not supported: choose False'),
        (google_vit, dict(depths=12), r'unknown option depths'),
        (mmaction_uniformerv2, dict(spatial_size=224), r'unknown option spatial_size'),
        (mmaction_uniformerv2, dict(width=64, n_dim=32), r'n_dim=32 is not supported: choose the width, 64'),
    ],
)
def test_what_has_no_like_in_ours_is_refused(source, config, message) -> None:
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


def in_recognizer(state_dict):
    head = {'cls_head.fc_cls.weight': torch.randn(5, 64), 'cls_head.fc_cls.bias': torch.randn(5)}
    return {f'backbone.{name}': value for name, value in state_dict.items()} | head


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('case', MMACTION_CASES)
def test_equals_mmaction(case, training, tmp_path) -> None:
    config, reference = mmaction_case(MMACTION_CASES[case])
    theirs = in_recognizer(reference.state_dict())
    torch.save(dict(state_dict=theirs, meta={}), tmp_path / 'theirs.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'theirs.pth'))
    ours = MODELS.build(mmaction_uniformerv2.backbone_cfg(config) | dict(init_cfg=init_cfg))
    ours.init_weights()
    reference.train(training), ours.train(training)
    x = torch.randn(2, 3, config['t_size'], SIDE, SIDE)
    with torch.no_grad():
        assert_close(ours(x)[0], reference(x), OUTPUTS, 'feature')

    reference.double(), ours.double()
    x = x.double().requires_grad_()
    x_ours = x.detach().clone().requires_grad_()
    expected, (feature,) = reference(x), ours(x_ours)
    weight = torch.randn_like(expected)
    (expected * weight).sum().backward()
    (feature * weight).sum().backward()
    assert_close(x_ours.grad, x.grad, GRADIENTS, 'gradient of the input')
    gradients = mmaction_uniformerv2.state_dict(
        {f'backbone.{name}': parameter.grad for name, parameter in reference.named_parameters()}
    )
    for name, parameter in ours.named_parameters():
        expected = gradients[f'backbone.{name}']
        # what a batch is normed by leaves no gradient to a bias before it
        scale = None if expected.abs().max() > 1e-9 else 1.0
        assert_close(parameter.grad, expected, GRADIENTS, f'gradient of {name}', scale)
    statistics = mmaction_uniformerv2.state_dict(in_recognizer(reference.state_dict()))
    for name, value in ours.named_buffers():
        assert_close(value.double(), statistics[f'backbone.{name}'].double(), OUTPUTS, name, 1.0)


def test_files_of_mmaction_go_both_ways() -> None:
    for settings in MMACTION_CASES.values():
        theirs = in_recognizer(mmaction_case(settings)[1].state_dict())
        assert migrate.identify(theirs) is mmaction_uniformerv2
        back = mmaction_uniformerv2.export(mmaction_uniformerv2.state_dict(theirs))
        assert back.keys() == theirs.keys()
        assert all(torch.equal(back[name], value) for name, value in theirs.items())


def test_config_of_the_page_loads(root, published, tmp_path) -> None:
    page = (root / 'docs' / 'guides' / 'pretrained_vits.md').read_text()
    snippet = re.search(r'```python\n(model = .*?)```', page, re.S)[1]
    (tmp_path / 'config.py').write_text(snippet)
    backbone = Config.fromfile(tmp_path / 'config.py').model.backbone
    backbone.init_cfg.checkpoint = published('OpenAI archive')[3]
    backbone.arch = dict(embed_dims=64, num_heads=2, depth=DEPTH, patch_size=16)
    backbone.input_size = (2, SIDE, SIDE)
    backbone.global_layers = 'last 2'
    model = MODELS.build(backbone)
    model.init_weights()
    assert model(torch.randn(1, 3, 2, SIDE, SIDE))[0].shape == (1, 64)
