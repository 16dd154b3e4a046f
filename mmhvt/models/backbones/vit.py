"""ViT for video (papers/mvit, tables 1 and 3a): what MViT is measured against.

It is MViT of a single stage without pooling, and with one or the other pooling in the ablations of table 10.
"""

from mmhvt.registry import MODELS

from .mvit import MViT

# table 3a: patches of 16×16 pixels of one frame
_BASE = dict(
    version=1,
    embed_dims=768,
    num_heads=12,
    depths=(12,),
    input_size=(8, 224, 224),
    patch_kernel=(1, 16, 16),
    patch_stride=(1, 16, 16),
    patch_padding=(0, 0, 0),
    pool_mode='max',
    pool_kernel='s+1',
    kv_stride='none',
    abs_pos='joint',
    dim_mul=1.0,
    head_mul=1.0,
)


@MODELS.register_module()
class VisionTransformer(MViT):
    """ViT backbone for images and video, with an optional second scale or pooled keys and values (table 10).

    Arguments are those of :class:`MViT`, of which it is the case of one stage; but `frozen_stages` counts layers, as in
    mmpretrain's ViT.

    Args:
        arch: 'base'; 'vit-b-2scale-qpool', which pools queries after 6 blocks; 'vit-b-kvpool', which pools keys and
            values; 'vit-b-video', the same as 'base'; or a dict as for :class:`MViT`.
        **kwargs: See :class:`MViT`.
    """

    freezes_layers = True
    archs = {'base': _BASE}
    presets = {
        'vit-b-video': dict(arch='base'),
        'vit-b-2scale-qpool': dict(arch=_BASE | dict(depths=(6, 6))),
        'vit-b-kvpool': dict(arch='base', kv_stride=(1, 2, 2)),
    }

    def __init__(self, arch: str | dict = 'base', **kwargs):
        super().__init__(arch, **kwargs)
