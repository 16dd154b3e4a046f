"""CLIP's ViT from OpenAI's archives, from open_clip, and alone, as UniFormerV2's authors and mmaction2 publish it.

Files of the whole model have names with `visual.` and a text tower, which is left out of a backbone; those of the image
encoder alone have neither. OpenAI's archives are TorchScript (:mod:`mmhvt.migrate.torchscript`). Whether a model has
QuickGELU, as OpenAI's and those of open_clip's whose names end in -quickgelu, or GELU does not show in its parameters.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...names import NameTable, prefixed
from ...options import as_tuple, resolve_options
from ...source import Source, StateDict, register

_TEXT = 'text_tower.'
# the ViT within UniFormerV2 has these names too
BLOCKS = prefixed(
    'transformer.resblocks.{i}.',
    'blocks.{i}.',
    ('attn.in_proj_{leaf}', 'attn.qkv.{leaf}'),
    ('attn.out_proj.{leaf}', 'attn.proj.{leaf}'),
    ('ln_1.{leaf}', 'norm1.{leaf}'),
    ('ln_2.{leaf}', 'norm2.{leaf}'),
    ('mlp.c_fc.{leaf}', 'mlp.fc1.{leaf}'),
    ('mlp.c_proj.{leaf}', 'mlp.fc2.{leaf}'),
)
STEM = (
    ('class_embedding', 'cls_token'),
    ('positional_embedding_class', 'pos_embed.cls'),
    ('positional_embedding', 'pos_embed.spatial'),
    ('conv1.{leaf}', 'patch_embed.proj.{leaf}'),
    ('ln_pre.{leaf}', 'pre_norm.{leaf}'),
)
_VISION = dict(image_size=224, patch_size=16, width=768, layers=12, head_width=64, mlp_ratio=4.0, ls_init_value=None)
# OpenAI's models have no others
_FIXED_VISION = dict(
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
_IGNORED_VISION = ('patch_dropout', 'output_tokens', 'attn_pooler_queries', 'attn_pooler_heads')


@register(priority=-10)
class CLIP(Source):
    """Options are a model config of open_clip: `vision_cfg` and `quick_gelu`; others do not concern the encoder."""

    family, repository, title = 'vit', 'clip', "CLIP's ViT"
    aliases = ('OpenAI', 'openai-clip', 'open_clip')
    table = NameTable(
        *prefixed('', 'backbone.', *STEM, *BLOCKS),
        ('transformer.resblocks.{i}.ls_{n}.gamma', 'backbone.blocks.{i}.ls{n}.gamma'),
        ('ln_post.{leaf}', 'backbone.norm.{leaf}'),
        ('proj', 'image_projection'),
        (f'{_TEXT}{{rest}}', f'{_TEXT}{{rest}}'),
    )
    defaults = dict(vision_cfg={}, quick_gelu=False)
    ignored = ('embed_dim', 'text_cfg', 'init_logit_scale', 'init_logit_bias', 'custom_text')

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options, with those of the image encoder beside them."""
        options = super().options(reference_config)
        vision = resolve_options(self.title, options.pop('vision_cfg'), _VISION, _FIXED_VISION, _IGNORED_VISION)
        return options | vision

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return dict(
            type='mmhvt.VisionTransformer',
            arch=dict(
                embed_dims=options['width'],
                num_heads=options['width'] // options['head_width'],
                depth=options['layers'],
                patch_size=options['patch_size'],
            ),
            input_size=as_tuple(options['image_size']),
            mlp_ratio=options['mlp_ratio'],
            vit=dict(
                act='quick_gelu' if options['quick_gelu'] else 'gelu',
                pre_norm=True,
                patch_bias=False,
                layer_scale=options['ls_init_value'],
                eps=1e-5,
            ),
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like CLIP's, whatever its image encoder is, or like its ViT alone."""
        whole = ('visual.conv1.weight', 'token_embedding.weight', 'text.token_embedding.weight')
        alone = 'class_embedding' in state_dict and 'transformer.resblocks.0.ln_1.weight' in state_dict
        return alone or any(name in state_dict for name in whole)

    def unpack(self, theirs: StateDict) -> StateDict:
        """The image encoder under the names that it has alone, the rest as `text_tower.…`.

        Raises:
            ValueError: If the image encoder is not a ViT.
        """
        prefix = '' if 'class_embedding' in theirs else 'visual.'
        if f'{prefix}class_embedding' not in theirs:
            visual = sorted({name.split('.')[1] for name in theirs if name.startswith('visual.')})
            found = f'has {", ".join(visual)}' if visual else 'is not in the file, only the text tower is'
            raise ValueError(
                f"CLIP's image encoder {found}; expected a ViT with visual.class_embedding, visual.conv1, "
                'visual.transformer.resblocks (ViT-B/16, ViT-L/14 …)'
            )
        names = {k: k.removeprefix(prefix) if k.startswith(prefix) else _TEXT + k for k in theirs}
        return split_embeddings({names[name]: value for name, value in theirs.items()})

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`: the whole model if the text tower is there, the image encoder if not."""
        prefix = 'visual.' if any(name.startswith(_TEXT) for name in theirs) else ''
        names = {k: k.removeprefix(_TEXT) if k.startswith(_TEXT) else prefix + k for k in theirs}
        return {names.get(name, prefix + name): value for name, value in join_embeddings(theirs).items()}


def split_embeddings(theirs: StateDict, prefix: str = '') -> StateDict:
    """Class token and positions with a batch axis, those of the class token apart."""
    token, positions = f'{prefix}class_embedding', f'{prefix}positional_embedding'
    result = dict(theirs)
    if token in theirs:
        result[token] = theirs[token][None, None]
    if positions in theirs:
        result[f'{positions}_class'], result[positions] = theirs[positions][None, :1], theirs[positions][None, 1:]
    return result


def join_embeddings(theirs: StateDict, prefix: str = '') -> StateDict:
    """Inverse of :func:`split_embeddings`."""
    token, positions = f'{prefix}class_embedding', f'{prefix}positional_embedding'
    result = dict(theirs)
    if token in theirs:
        result[token] = theirs[token][0, 0]
    if positions in theirs:
        result[positions] = torch.cat([result.pop(f'{positions}_class'), theirs[positions]], 1)[0]
    return result
