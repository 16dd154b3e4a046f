"""What the sources of MViT share: blocks as stages, class tokens in position embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...source import StateDict

Stride = Sequence[int]


@dataclass(frozen=True)
class Block:
    """What a block changes.

    Args:
        dim_mul: Factor of the channels with which the block begins. Defaults to 1.
        head_mul: Factor of the heads. Defaults to 1.
        q_stride: Stride of the queries' pooling; None if they are not pooled. Defaults to None.
        kv_stride: Stride of the pooling of keys and values; None if they are not pooled. Defaults to None.
    """

    dim_mul: float = 1.0
    head_mul: float = 1.0
    q_stride: tuple[int, ...] | None = None
    kv_stride: tuple[int, ...] | None = None

    @property
    def begins_stage(self) -> bool:
        """Whether channels, heads or resolution change."""
        return self.dim_mul != 1 or self.head_mul != 1 or max(self.q_stride or (1,)) > 1


def stage_options(
    owner: str, blocks: Sequence[Block], axes: int, fixed_kernel: bool, adaptive_kv: Stride | None = None
) -> tuple[list[int], dict[str, Any]]:
    """Depths of stages and our options of pooling and growth, which are the same for all stages.

    Args:
        owner: Whose model it is, for messages.
        blocks: All blocks in order.
        axes: 3 for video, 2 for images.
        fixed_kernel: Whether poolings have one kernel. They then pool whatever their stride is, which ours does in all
            blocks or where stages begin.
        adaptive_kv: Stride of keys and values in the first stage, which shrinks as queries are pooled; overrides the
            blocks' own. Defaults to None.

    Raises:
        ValueError: If stages differ in what they change, or blocks pool in a way that ours does not.
    """
    depth = len(blocks)
    starts = [i for i, block in enumerate(blocks) if block.begins_stage]
    pooled = [i for i, block in enumerate(blocks) if block.q_stride is not None]
    full_q_pool = fixed_kernel and pooled == list(range(depth))
    if fixed_kernel and not full_q_pool and pooled != starts:
        raise ValueError(
            f'{owner}: queries are pooled in blocks {pooled}, which are neither all {depth} blocks nor those that '
            f'begin a stage, {starts}'
        )
    options: dict[str, Any] = dict(full_q_pool=full_q_pool)
    if starts:
        strides = [blocks[i].q_stride or (1,) * axes for i in starts]
        options['q_stride'] = _shared(owner, 'stride of queries', starts, strides)
        options['dim_mul'] = _shared(owner, 'factor of channels', starts, [blocks[i].dim_mul for i in starts])
        options['head_mul'] = _shared(owner, 'factor of heads', starts, [blocks[i].head_mul for i in starts])
    if adaptive_kv:
        options |= dict(kv_stride=tuple(adaptive_kv), adaptive_kv=True)
    else:
        options |= _kv_options(owner, blocks, starts, options.get('q_stride', (1,) * axes))
    return [end - start for start, end in zip([0, *starts], [*starts, depth], strict=True)], options


def _shared(owner: str, what: str, starts: Sequence[int], values: list) -> Any:
    """The one value that all stages have."""
    if any(value != values[0] for value in values):
        raise ValueError(f'{owner}: the {what} differs between the stages that begin at blocks {starts}: {values}')
    return values[0]


def _kv_options(owner: str, blocks: Sequence[Block], starts: Sequence[int], q_stride: Stride) -> dict[str, Any]:
    """Our kv_stride, adaptive_kv and full_kv_pool from the strides of all blocks."""
    found = [block.kv_stride for block in blocks]
    if not any(found):
        return dict(kv_stride='none')
    first = found[0] or (1,) * len(q_stride)
    adaptive, stride = [], first
    for i in range(len(blocks)):
        if i in starts:
            stride = tuple(max(k // q, 1) for k, q in zip(stride, q_stride, strict=True))
        adaptive.append(stride)
    for answer, expected in ((True, adaptive), (False, [first] * len(blocks))):
        if found == expected:
            return dict(kv_stride=first, adaptive_kv=answer)
    if found == [stride if max(stride) > 1 else None for stride in adaptive]:
        return dict(kv_stride=first, adaptive_kv=True, full_kv_pool=False)
    raise ValueError(
        f'{owner}: strides of keys and values {found} are neither the same in all blocks nor divided where queries are '
        'pooled'
    )


def split_class_position(theirs: StateDict, prefix: str = '') -> StateDict:
    """Split off the position of the class token, if there is one, as `pos_embed_class`."""
    name = f'{prefix}pos_embed'
    if f'{prefix}cls_token' not in theirs or name not in theirs:
        return theirs
    return theirs | {f'{name}_class': theirs[name][:, :1], name: theirs[name][:, 1:]}


def join_class_position(theirs: StateDict, prefix: str = '') -> StateDict:
    """Inverse of :func:`split_class_position`."""
    name, cls = f'{prefix}pos_embed', f'{prefix}pos_embed_class'
    if cls not in theirs or name not in theirs:
        return theirs
    joined = torch.cat([theirs[cls], theirs[name]], 1)
    return {key: value for key, value in theirs.items() if key != cls} | {name: joined}


# blocks of PySlowFast and its descendants; names are the same in ours except for poolings and relative positions
BLOCKS = (
    ('blocks.{i}.attn.rel_pos_{axis}', 'blocks.{i}.attn.rel_pos.q.{axis}'),
    ('blocks.{i}.attn.norm_{what}.{leaf}', 'blocks.{i}.attn.pool_{what}.norm.{leaf}'),
    ('blocks.{i}.attn.{layer}.{leaf}', 'blocks.{i}.attn.{layer}.{leaf}'),
    ('blocks.{i}.mlp.{layer}.{leaf}', 'blocks.{i}.mlp.{layer}.{leaf}'),
    ('blocks.{i}.{layer}.{leaf}', 'blocks.{i}.{layer}.{leaf}'),
)
