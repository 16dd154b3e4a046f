"""Names and shapes of tensors in files that authors publish, as their code makes them.

Sources: facebookresearch/SlowFast slowfast/models/{video_model_builder,attention}.py; facebookresearch/pytorchvideo
pytorchvideo/models/vision_transformers.py; microsoft/Swin-Transformer models/{swin_transformer,simmim}.py;
SwinTransformer/Transformer-SSL models/moby.py; SwinTransformer/Video-Swin-Transformer
mmaction/models/backbones/swin_transformer.py; SwinTransformer/Swin-Transformer-Object-Detection
mmdet/models/backbones/swin_transformer.py; facebookresearch/detectron2 detectron2/modeling/backbone/swin.py;
OpenGVLab/UniFormerV2 slowfast/models/uniformerv2_model.py.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
# {architecture: (channels, blocks, heads)} of Swin
SWIN = dict(
    tiny=(96, (2, 2, 6, 2), (3, 6, 12, 24)),
    small=(96, (2, 2, 18, 2), (3, 6, 12, 24)),
    base=(128, (2, 2, 18, 2), (4, 8, 16, 32)),
    large=(192, (2, 2, 18, 2), (6, 12, 24, 48)),
)


def tensors(shapes: Shapes) -> dict[str, Tensor]:
    """A state dict; integers where there are indices."""
    index = ('relative_position_index', 'num_batches_tracked', 'queue_ptr')
    return {
        name: torch.zeros(shape, dtype=torch.long) if name.endswith(index) else torch.randn(shape)
        for name, shape in shapes.items()
    }


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def norm(name: str, dims: int) -> Shapes:
    return {f'{name}.weight': (dims,), f'{name}.bias': (dims,)}


def linear(name: str, dims: int, out: int, kernel: Sequence[int] = (), bias: bool = True) -> Shapes:
    """A linear layer or a convolution."""
    return {f'{name}.weight': (out, dims, *kernel)} | ({f'{name}.bias': (out,)} if bias else {})


# ---------------------------------------------------------------------------------------------------------------- MViT


def mvit_blocks(
    starts: Sequence[int],
    depth: int,
    dims: int = 96,
    kv_stride: int = 8,
    kernel: tuple[int, ...] | None = (3, 3, 3),
    last_kv: bool = True,
    separate: bool = False,
) -> Shapes:
    """Blocks of PySlowFast's MViT, whose channels grow in the MLP before a stage.

    Args:
        starts: Blocks that begin stages.
        depth: Number of blocks.
        dims: Channels of the first block, and of each head.
        kv_stride: Stride of keys and values in the first stage.
        kernel: Of poolings; None for stride + 1, where a stride of 1 pools nothing.
        last_kv: Whether keys and values are pooled where their stride is 1.
        separate: Whether queries, keys and values have a layer each.
    """
    shapes: Shapes = {}
    head = channels = dims
    for i in range(depth):
        kv_stride = kv_stride // 2 if i in starts else kv_stride
        out = 2 * channels if i + 1 in starts else channels
        block = f'blocks.{i}.'
        layers = [f'attn.{part}' for part in 'qkv'] if separate else ['attn.qkv']
        for layer in layers:
            shapes |= linear(block + layer, channels, 3 * channels // len(layers))
        poolings = {'q': kernel or (1, 3, 3)} if i in starts else {}
        if kv_stride > 1 or (last_kv and kernel):
            poolings |= dict.fromkeys('kv', kernel or (1, kv_stride + 1, kv_stride + 1))
        for what, size in poolings.items():
            shapes |= linear(f'{block}attn.pool_{what}', 1, head, size, bias=False)
            shapes |= norm(f'{block}attn.norm_{what}', head)
        shapes |= linear(f'{block}attn.proj', channels, channels) | norm(f'{block}norm1', channels)
        shapes |= norm(f'{block}norm2', channels) | linear(f'{block}mlp.fc1', channels, 4 * channels)
        shapes |= linear(f'{block}mlp.fc2', 4 * channels, out)
        shapes |= linear(f'{block}proj', channels, out) if out > channels else {}
        channels = out
    return shapes


def pyslowfast_mvit(
    frames: int, side: int, classes: int, starts: Sequence[int], depth: int, dims: int = 96, **blocks: object
) -> Shapes:
    """MViT for video, or for images if there is one frame."""
    grid, out = (side // 4) ** 2, dims * 2 ** len(starts)
    shapes: Shapes = {'cls_token': (1, 1, dims)}
    if frames > 1:
        shapes |= linear('patch_embed.proj', 3, dims, (3, 7, 7))
        shapes |= {'pos_embed_spatial': (1, grid, dims), 'pos_embed_temporal': (1, frames // 2, dims)}
        shapes |= {'pos_embed_class': (1, 1, dims)}
    else:
        shapes |= linear('patch_embed.proj', 3, dims, (7, 7)) | {'pos_embed': (1, grid + 1, dims)}
    shapes |= mvit_blocks(starts, depth, dims, **blocks)
    return shapes | norm('norm', out) | linear('head.projection', out, classes)


def pytorchvideo_mvit(
    frames: int, side: int, classes: int, starts: Sequence[int], depth: int, dims: int = 96, **blocks: object
) -> Shapes:
    """MViT for video or images, whose positions are separate in both."""
    grid, out = (side // 4) ** 2, dims * 2 ** len(starts)
    kernel = (3, 7, 7) if frames > 1 else (7, 7)
    positions = {'cls_token': 1, 'pos_embed_class': 1, 'pos_embed_spatial': grid}
    positions |= {'pos_embed_temporal': max(frames // 2, 1)}
    shapes = {f'cls_positional_encoding.{name}': (1, count, dims) for name, count in positions.items()}
    shapes |= linear('patch_embed.patch_model', 3, dims, kernel)
    shapes |= mvit_blocks(starts, depth, dims, separate=True, **blocks)
    return shapes | norm('norm_embed', out) | linear('head.proj', out, classes)


def twice(shapes: Shapes) -> Shapes:
    """As PyTorchVideo has written poolings since 2021, under two names."""
    found = dict(shapes)
    for name, shape in shapes.items():
        for layer in ('pool', 'norm'):
            for what in 'qkv':
                if f'.attn.{layer}_{what}.' in name:
                    found[name.replace(f'{layer}_{what}', f'_attention_pool_{what}.{layer}')] = shape
    return found


# ---------------------------------------------------------------------------------------------------------------- Swin


def swin_layers(
    arch: str | tuple, window: Sequence[int], patch: Sequence[int] = (4, 4), side: int | None = None
) -> Shapes:
    """Patches and stages; tables of relative positions shrink with a `side` of classified images."""
    dims, depths, heads = SWIN[arch] if isinstance(arch, str) else arch
    shapes = linear('patch_embed.proj', 3, dims, patch) | norm('patch_embed.norm', dims)
    for stage, (depth, head) in enumerate(zip(depths, heads, strict=True)):
        channels = dims * 2**stage
        sides = tuple(min(n, side // 4 // 2**stage) for n in window) if side else tuple(window)
        tokens = math.prod(sides)
        for i in range(depth):
            block = f'layers.{stage}.blocks.{i}.'
            shapes |= {f'{block}attn.relative_position_bias_table': (math.prod(2 * n - 1 for n in sides), head)}
            shapes |= {f'{block}attn.relative_position_index': (tokens, tokens)}
            shapes |= linear(f'{block}attn.qkv', channels, 3 * channels) | linear(
                f'{block}attn.proj', channels, channels
            )
            shapes |= norm(f'{block}norm1', channels) | norm(f'{block}norm2', channels)
            shapes |= linear(f'{block}mlp.fc1', channels, 4 * channels) | linear(
                f'{block}mlp.fc2', 4 * channels, channels
            )
        if stage < len(depths) - 1:
            merging = f'layers.{stage}.downsample.'
            shapes |= linear(f'{merging}reduction', 4 * channels, 2 * channels, bias=False)
            shapes |= norm(f'{merging}norm', 4 * channels)
    return shapes


def width(arch: str | tuple) -> int:
    """Channels of the last stage."""
    dims, depths, _ = SWIN[arch] if isinstance(arch, str) else arch
    return dims * 2 ** (len(depths) - 1)


def swin_classifier(arch: str | tuple, window: int, side: int, classes: int) -> Shapes:
    shapes = swin_layers(arch, (window, window), side=side) | norm('norm', width(arch))
    return shapes | (linear('head', width(arch), classes) if classes else {})


def simmim(arch: str | tuple, window: int, side: int) -> Shapes:
    dims = (SWIN[arch] if isinstance(arch, str) else arch)[0]
    encoder = swin_classifier(arch, window, side, 0) | {'mask_token': (1, 1, dims)}
    return prefixed('encoder.', encoder) | linear('decoder.0', width(arch), 32 * 32 * 3, (1, 1))


def moby(arch: str | tuple, window: int = 7, side: int = 224) -> Shapes:
    shapes = {'queue1': (256, 4096), 'queue2': (256, 4096), 'queue_ptr': (1,)}
    for encoder in ('encoder.', 'encoder_k.'):
        shapes |= prefixed(encoder, swin_classifier(arch, window, side, 0))
    for mlp, dims in (('projector', width(arch)), ('projector_k', width(arch)), ('predictor', 256)):
        shapes |= linear(f'{mlp}.linear_hidden.1', dims, 4096) | norm(f'{mlp}.linear_hidden.2', 4096)
        shapes |= {f'{mlp}.linear_hidden.2.{name}': (4096,) for name in ('running_mean', 'running_var')}
        shapes |= {f'{mlp}.linear_hidden.2.num_batches_tracked': ()} | linear(f'{mlp}.linear_out', 4096, 256)
    return shapes


def swin_in_detector(arch: str | tuple, window: int = 7, prefix: str = 'backbone.') -> Shapes:
    """Swin that norms all its outputs."""
    dims, depths, _ = SWIN[arch] if isinstance(arch, str) else arch
    shapes = swin_layers(arch, (window, window))
    for stage in range(len(depths)):
        shapes |= norm(f'norm{stage}', dims * 2**stage)
    return prefixed(prefix, shapes)


def mask_rcnn(arch: str | tuple, window: int = 7, channels: int = 256, hidden: int = 1024) -> Shapes:
    """Mask R-CNN of mmdet 2 on COCO."""
    dims, depths, _ = SWIN[arch] if isinstance(arch, str) else arch
    shapes = swin_in_detector(arch, window)
    for level in range(len(depths)):
        shapes |= linear(f'neck.lateral_convs.{level}.conv', dims * 2**level, channels, (1, 1))
        shapes |= linear(f'neck.fpn_convs.{level}.conv', channels, channels, (3, 3))
    shapes |= linear('rpn_head.rpn_conv', channels, channels, (3, 3))
    shapes |= linear('rpn_head.rpn_cls', channels, 3, (1, 1)) | linear('rpn_head.rpn_reg', channels, 12, (1, 1))
    box, mask = 'roi_head.bbox_head.', 'roi_head.mask_head.'
    shapes |= linear(f'{box}shared_fcs.0', 49 * channels, hidden) | linear(f'{box}shared_fcs.1', hidden, hidden)
    shapes |= linear(f'{box}fc_cls', hidden, 81) | linear(f'{box}fc_reg', hidden, 320)
    for i in range(4):
        shapes |= linear(f'{mask}convs.{i}.conv', channels, channels, (3, 3))
    shapes |= {f'{mask}upsample.weight': (channels, channels, 2, 2), f'{mask}upsample.bias': (channels,)}
    return shapes | linear(f'{mask}conv_logits', channels, 80, (1, 1))


def upernet(arch: str | tuple, window: int = 7) -> Shapes:
    """UPerNet of mmseg, of whose heads the classifiers stand for all."""
    heads = linear('decode_head.conv_seg', 512, 150, (1, 1)) | linear('auxiliary_head.conv_seg', 256, 150, (1, 1))
    return swin_in_detector(arch, window) | heads


def detectron2_swin(arch: str | tuple, window: int = 7) -> Shapes:
    """ViTDet's FPN on Swin, of whose heads one stands for all."""
    shapes = swin_in_detector(arch, window, 'backbone.bottom_up.')
    shapes |= linear('backbone.fpn_lateral2', width(arch) // 8, 256, (1, 1), bias=False)
    return shapes | norm('backbone.fpn_lateral2.norm', 256) | linear('roi_heads.box_head.0.fc1', 49 * 256, 1024)


def video_swin(arch: str | tuple, window: Sequence[int], classes: int) -> Shapes:
    """A recognizer of mmaction 0."""
    shapes = swin_layers(arch, window, (2, 4, 4)) | norm('norm', width(arch))
    return prefixed('backbone.', shapes) | linear('cls_head.fc_cls', width(arch), classes)


# --------------------------------------------------------------------------------------------------------- UniFormerV2


def uniformerv2(
    layers: int,
    dims: int,
    patch: int,
    side: int,
    classes: int,
    global_layers: int = 4,
    local: bool = False,
    frozen: bool = False,
) -> Shapes:
    """As their trainer writes it; models with local UniBlocks halve the frames."""
    shapes: Shapes = {'conv1.weight': (dims, 3, 3 if local else 1, patch, patch), 'class_embedding': (dims,)}
    shapes |= {'positional_embedding': ((side // patch) ** 2 + 1, dims)} | norm('ln_pre', dims)
    for i in range(layers):
        shapes |= clip_attention(f'transformer.resblocks.{i}.', dims, norms=2)
        for number in (1, 2) if local else ():
            inner, part = int(dims / 1.5), f'transformer.resblocks.{i}.lmhra{number}.pos_embed.'
            shapes |= norm(f'{part}0', dims) | {f'{part}0.running_mean': (dims,), f'{part}0.running_var': (dims,)}
            shapes |= {f'{part}0.num_batches_tracked': ()} | linear(f'{part}1', dims, inner, (1, 1, 1))
            shapes |= linear(f'{part}2', 1, inner, (3, 1, 1)) | linear(f'{part}3', inner, dims, (1, 1, 1))
    shapes |= {'transformer.temporal_cls_token': (1, 1, dims)}
    for i in range(global_layers):
        shapes |= linear(f'transformer.dpe.{i}', 1, dims, (3, 3, 3))
        shapes |= clip_attention(f'transformer.dec.{i}.', dims, norms=3)
    shapes |= norm('transformer.proj.0', dims) | linear('transformer.proj.2', dims, classes)
    return prefixed('backbone.', shapes | ({} if frozen else {'transformer.balance': (dims,)}))


def clip_attention(block: str, dims: int, norms: int) -> Shapes:
    """Attention and MLP with the names of CLIP."""
    shapes: Shapes = {f'{block}attn.in_proj_weight': (3 * dims, dims), f'{block}attn.in_proj_bias': (3 * dims,)}
    shapes |= linear(f'{block}attn.out_proj', dims, dims)
    shapes |= linear(f'{block}mlp.c_fc', dims, 4 * dims) | linear(f'{block}mlp.c_proj', 4 * dims, dims)
    for i in range(norms):
        shapes |= norm(f'{block}ln_{i + 1}', dims)
    return shapes
