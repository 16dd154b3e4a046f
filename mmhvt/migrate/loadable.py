"""What loading asks a backbone about a file of weights."""

import math
from collections.abc import Collection, Mapping, Sequence

from torch import Tensor, nn

# modules without which a backbone computes something else
ESSENTIAL = ('patch_embed', 'pos_embed', 'pre_norm', 'blocks')


class LoadableBackbone(nn.Module):
    """How a backbone reads files of other sizes and of masked pre-training, and what they may lack.

    Parameter names in a file are ours, without the prefix of the backbone.
    """

    input_size: tuple[int, ...]

    @staticmethod
    def input_axes(parameters: Mapping[str, Tensor]) -> int | None:
        """Number of axes of a file's inputs, 2 for images and 3 for video; None if the file does not say."""
        patches = parameters.get('patch_embed.proj.weight')
        return None if patches is None else patches.ndim - 2

    def loses_time(self, found: Mapping[str, Tensor]) -> bool:
        """Whether a file of a video model is loaded into this image model."""
        return (self.input_axes(found) or 0) > len(self.input_size)

    def read_pretrained(self, found: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
        """A file's parameters under names that say what its inputs are, since shapes alone do not.

        Args:
            found: Parameters of the file.

        Returns:
            tuple: Parameters for `resize_pretrained` of modules, and notes for the report by module. An image's joint
            positions are those of one frame, `spatial`; its table of relative positions is an `image_table`.

        Raises:
            ValueError: If a clip's joint positions are not those of several frames of this image's grid.
        """
        given, notes = dict(found), {}
        positions = [name for name in given if name.startswith('pos_embed.')]
        if self.input_axes(found) == 2:
            if set(positions) <= {'pos_embed.joint', 'pos_embed.cls'}:
                given = {'pos_embed.spatial' if k == 'pos_embed.joint' else k: v for k, v in given.items()}
            tables = {
                name: name.removesuffix('table') + 'image_table' for name in given if name.endswith('.rel_pos.table')
            }
            given = {tables.get(name, name): value for name, value in given.items()}
        elif self.loses_time(found) and 'pos_embed.joint' in positions:
            pos_embed = getattr(self, 'pos_embed', None)
            if pos_embed is not None:
                notes['pos_embed'] = _describe_joint(found['pos_embed.joint'].shape[1], pos_embed.grid)
        return given, notes

    def is_essential(self, name: str) -> bool:
        """Whether a model without this parameter of a file computes something else than the file's model.

        The position of a class token goes with the token, which a model may do without.
        """
        return name.split('.')[0] in ESSENTIAL and name != 'pos_embed.cls'

    def optional_part(self, name: str) -> str | None:
        """Part of the model that a parameter belongs to if checkpoints may lack all of it, else None."""
        return None

    def lacks_final_norm(self, names: Collection[str]) -> bool:
        """Whether a file, by its names, is from masked pre-training, which norms the fusion of all stages instead.

        Fine-tuning starts with the initial norm, as the authors' does.
        """
        return 'fusion.norm.weight' in names


def _describe_joint(tokens: int, space: Sequence[int]) -> str:
    """How a clip's joint position embedding is read, since the file does not have its grid.

    Raises:
        ValueError: If it is not that of several frames of the image's grid.
    """
    if tokens % math.prod(space) or tokens == math.prod(space):
        raise ValueError(
            f"a clip's joint embedding of {tokens} tokens does not tell its frames, and is not that of several frames "
            f"of this image's grid {tuple(space)}: an input_size of the clip's height and width would fit"
        )
    return f', read as {tokens // math.prod(space)} frames of {"x".join(map(str, space))}'
