"""CLIP's ViT from OpenAI's archives, from open_clip, and alone, as UniFormerV2's authors and mmaction2 publish it.

Files of the whole model have names with `visual.` and a text tower, which is left out; those of the image encoder
alone have neither. OpenAI's archives are TorchScript (:mod:`.torchscript`). Whether a model has QuickGELU, as OpenAI's
and those of open_clip's whose names end in -quickgelu, or GELU does not show in its parameters.
"""

import torch
from torch import Tensor

from .names import Names
from .video_swin import settings

# names of golden files and of the command line
NAMES = ('CLIP', 'clip', 'open_clip', 'openai-clip')

_BLOCK = 'transformer.resblocks.{i}.', 'backbone.blocks.{i}.'
# what UniFormerV2 has too
SHARED = (
    ('class_embedding', 'backbone.cls_token'),
    ('conv1.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
    ('ln_pre.{leaf}', 'backbone.pre_norm.{leaf}'),
    *(
        (_BLOCK[0] + theirs, _BLOCK[1] + ours)
        for theirs, ours in (
            ('attn.in_proj_{leaf}', 'attn.qkv.{leaf}'),
            ('attn.out_proj.{leaf}', 'attn.proj.{leaf}'),
            ('ln_1.{leaf}', 'norm1.{leaf}'),
            ('ln_2.{leaf}', 'norm2.{leaf}'),
            ('mlp.c_fc.{leaf}', 'mlp.0.{leaf}'),
            ('mlp.c_proj.{leaf}', 'mlp.3.{leaf}'),
        )
    ),
)
_PARAMETERS = Names(
    "CLIP's ViT",
    *SHARED,
    (_BLOCK[0] + 'ls_{n}.gamma', _BLOCK[1] + 'gamma{n}'),
    ('ln_post.{leaf}', 'backbone.norm.{leaf}'),
    ('proj', 'image_projection'),
)
_TEXT = 'text_tower.'

_DEFAULTS = dict(image_size=224, patch_size=16, width=768, layers=12, head_width=64, mlp_ratio=4.0, ls_init_value=None)
# what is only supported as OpenAI's models have it
_FIXED = dict(
    timm_model_name=None,
    attentional_pool=False,
    no_ln_pre=False,
    pos_embed_type='learnable',
    final_ln_after_pool=False,
    pool_type='tok',
    act_kwargs=None,
    norm_kwargs=None,
    block_type=None,
    qk_norm=False,
    scaled_cosine_attn=False,
    scale_heads=False,
    scale_attn_inner=False,
    scale_attn=False,
    scale_fc=False,
)
_OTHERS = {'embed_dim', 'vision_cfg', 'text_cfg', 'quick_gelu', 'init_logit_scale', 'init_logit_bias', 'custom_text'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone, for images and without UniBlocks, from a model config of open_clip.

    Args:
        reference_config: `vision_cfg`, what it leaves out having open_clip's defaults, and `quick_gelu`; what else
            there is does not concern the image encoder.

    Raises:
        ValueError: For a setting that is not known.
    """
    wrong = set(reference_config) - _OTHERS
    if wrong:
        raise ValueError(f'CLIP: settings that are not known: {", ".join(sorted(wrong))}')
    ignored = ('patch_dropout', 'output_tokens', 'attn_pooler_queries', 'attn_pooler_heads')
    cfg = settings('CLIP', reference_config.get('vision_cfg', {}), _DEFAULTS, _FIXED, ignored)
    size = cfg['image_size']
    return dict(
        type='mmhvt.UniFormerV2',
        arch=dict(
            embed_dims=cfg['width'],
            num_heads=cfg['width'] // cfg['head_width'],
            depth=cfg['layers'],
            patch_size=cfg['patch_size'],
        ),
        input_size=(size, size) if isinstance(size, int) else tuple(size),
        vit=dict(
            act='quick_gelu' if reference_config.get('quick_gelu') else 'gelu',
            pre_norm=True,
            patch_bias=False,
            layer_scale=cfg['ls_init_value'] is not None,
            eps=1e-5,
        ),
        mlp_ratio=cfg['mlp_ratio'],
        local_layers=None,
        global_layers=None,
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like CLIP's, whatever its image encoder is, or like its ViT alone."""
    whole = ('visual.conv1.weight', 'token_embedding.weight', 'text.token_embedding.weight')
    alone = 'class_embedding' in state_dict and 'transformer.resblocks.0.ln_1.weight' in state_dict
    return any(name in state_dict for name in whole) or (alone and 'transformer.balance' not in state_dict)


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `text_tower.…`).

    Raises:
        ValueError: If the image encoder is no ViT, or for a name that it does not have.
    """
    prefix = '' if 'class_embedding' in reference_state_dict else 'visual.'
    if f'{prefix}class_embedding' not in reference_state_dict:
        visual = sorted({name.split('.')[1] for name in reference_state_dict if name.startswith('visual.')})
        found = f'has {", ".join(visual)}' if visual else 'is not in the file, the text tower alone is'
        raise ValueError(
            f"CLIP's image encoder {found}; expected is a ViT with visual.class_embedding, visual.conv1, "
            'visual.transformer.resblocks (ViT-B/16, ViT-L/14 …)'
        )
    ours = {}
    for name, value in reference_state_dict.items():
        own = name.removeprefix(prefix)
        if not name.startswith(prefix):
            ours[_TEXT + name] = value
        elif own == 'positional_embedding':
            ours['backbone.pos_embed.cls'], ours['backbone.pos_embed.spatial'] = value[None, :1], value[None, 1:]
        else:
            ours[_PARAMETERS.ours(own)] = value[None, None] if own == 'class_embedding' else value
    return ours


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`: of the whole model if the text tower is there, of the image encoder if not.

    Raises:
        ValueError: For a name that CLIP's ViT does not have.
    """
    prefix = 'visual.' if any(name.startswith(_TEXT) for name in state_dict) else ''
    theirs = {}
    for name, value in state_dict.items():
        if name.startswith(_TEXT):
            theirs[name.removeprefix(_TEXT)] = value
        elif name == 'backbone.pos_embed.spatial':
            theirs[f'{prefix}positional_embedding'] = torch.cat([state_dict['backbone.pos_embed.cls'], value], 1)[0]
        elif name != 'backbone.pos_embed.cls':
            theirs[prefix + _PARAMETERS.theirs(name)] = value[0, 0] if name == 'backbone.cls_token' else value
    return theirs
