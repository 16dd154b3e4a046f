"""What the sources of SMViT share."""

from typing import Any

from ...options import layer_norm_eps

# blocks, whose names are the same in ours
BLOCKS = (
    'blocks.{i}.attn.{layer}.{leaf}',
    'blocks.{i}.mlp.{layer}.{leaf}',
    'blocks.{i}.{layer}.{leaf}',
)
ARGUMENTS = dict(
    in_chans=3,
    embed_dim=96,
    num_heads=1,
    stages=(2, 3, 16, 3),
    q_pool=3,
    q_stride=(2, 2),
    mask_unit_size=(8, 8),
    mask_unit_attn=(True, True, False, False),
    dim_mul=2.0,
    head_mul=2.0,
    patch_kernel=(7, 7),
    patch_stride=(4, 4),
    patch_padding=(3, 3),
    mlp_ratio=4.0,
    drop_path_rate=0.0,
    norm_layer='LN',
    sep_pos_embed=False,
)
_SAME = (
    'q_pool', 'q_stride', 'mask_unit_size', 'mask_unit_attn', 'dim_mul', 'head_mul', 'patch_kernel', 'patch_stride',
    'patch_padding', 'mlp_ratio', 'drop_path_rate',
)  # fmt: skip


def backbone_cfg(owner: str, options: dict[str, Any], input_size: tuple[int, ...]) -> dict[str, Any]:
    """Our config from :data:`ARGUMENTS`.

    Args:
        owner: Whose model it is, for messages.
        options: Values of all of :data:`ARGUMENTS`.
        input_size: Size of inputs, ([T,] H, W).
    """
    return dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=options['embed_dim'], num_heads=options['num_heads'], depths=tuple(options['stages'])),
        input_size=tuple(input_size),
        in_channels=options['in_chans'],
        pos_embed='separate' if options['sep_pos_embed'] else 'joint',
        norm_cfg=dict(type='LN', eps=layer_norm_eps(owner, 'norm_layer', options['norm_layer'], 1e-6)),
        **{key: options[key] for key in _SAME},
    )
