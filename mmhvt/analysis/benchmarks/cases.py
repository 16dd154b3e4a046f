"""What is measured: inputs, our models and their peers, and the ratios to reach.

Ratios are time or memory of a peer / ours: above 1, ours is faster or smaller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from mmhvt.analysis.paper_models import UNIFORMERV2_ROWS

from .attentions import ATTENTIONS, Attention, query_shape
from .peers import MASK_RATIO, PEERS, construct, hiera, torchvision_mvit

Mode = Literal['inference', 'training', 'memory']
MODES: tuple[Mode, ...] = ('inference', 'training', 'memory')
Models = dict[str, Callable[[], nn.Module]]


@dataclass(frozen=True)
class Goal:
    """A ratio to reach.

    Attributes:
        mode: 'inference' is the time of a forward pass, 'training' that of forward and backward, 'memory' the peak
            memory of the latter.
        ratio: Smallest peer / ours.
        against: A peer; None for the best one.
        device: 'cpu' is in fp32, 'cuda' in bf16.
    """

    mode: Mode
    ratio: float
    against: str | None = None
    device: str = 'cpu'


@dataclass(frozen=True)
class Case:
    """Models to measure with the same input.

    Attributes:
        shape: (N, C, [T,] H, W).
        models: Models by name: :data:`PEERS` are other implementations, all others are ours. Ratios are to the first.
        goals: What to reach.
        modes: What to measure.
    """

    shape: tuple[int, ...]
    models: Models
    goals: Sequence[Goal] = ()
    modes: Sequence[Mode] = MODES

    @property
    def own(self) -> list[str]:
        """Names of our models."""
        return [name for name in self.models if name not in PEERS]


@dataclass(frozen=True)
class Family:
    """A model at any input size.

    Attributes:
        models: ([T,] H, W) -> ours and its peers.
        size: ([T,] H, W) of the recipes.
        goals: Goals at that size.
        others: Batches and sizes at which no peer is faster.
        cost: Sizes at which cost is drawn.
        batch: Batch size at the size of the recipes.
        modes: What to measure there.
    """

    models: Callable[[Sequence[int]], Models]
    size: tuple[int, ...]
    goals: Sequence[Goal]
    others: Sequence[tuple[int, tuple[int, ...]]] = ()
    cost: Sequence[tuple[int, ...]] = ()
    batch: int = 1
    modes: Sequence[Mode] = MODES

    def cases(self, name: str) -> dict[str, Case]:
        """Its cases, each shape once."""
        cases: dict[tuple, Case] = {}

        def add(batch: int, size: tuple[int, ...], goals: Sequence[Goal], modes: Sequence[Mode]) -> None:
            cases.setdefault((batch, size), Case((batch, 3, *size), self.models(size), goals, modes))

        add(self.batch, self.size, [*self.goals, *SMALLER], self.modes)
        for size in self.cost:
            add(1, size, NEVER_SLOWER if (1, size) in self.others else (), MODES)
        for batch, size in self.others:
            add(batch, size, NEVER_SLOWER, ('inference', 'training'))
        return {case_name(name, size, batch): case for (batch, size), case in cases.items()}


SMALLER = [Goal('memory', 1.0), Goal('memory', 1.0, device='cuda')]
NEVER_SLOWER = [Goal(mode, 1.0, device=device) for mode in ('inference', 'training') for device in ('cpu', 'cuda')]


def case_name(family: str, size: Sequence[int], batch: int = 1) -> str:
    """A name such as 'mvitv2-s-16x224' or 'image-swin-t-224-b4'."""
    frames = f'{size[0]}x' if len(size) == 3 else ''
    return f'{family}-{frames}{size[-1]}' + (f'-b{batch}' if batch > 1 else '')


class MaskedLoss(nn.Module):
    """The loss of our masked pre-training."""

    def __init__(self, size: Sequence[int], **options: Any):
        super().__init__()
        from mmhvt.models import MAE

        backbone = dict(type='mmhvt.SMViT', arch='base', input_size=tuple(size), q_pool=2)
        self.model = MAE(backbone, mask_ratio=MASK_RATIO, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> scalar."""
        return self.model.loss(x)['loss']


def ours(name: str, size: Sequence[int], **options: Any) -> Callable[[], nn.Module]:
    """One of our backbones."""
    return partial(construct, f'mmhvt.models.{name}', input_size=tuple(size), **options)


def mvit_b(size: Sequence[int]) -> Models:
    """MViT-B for clips."""
    return {
        'mmhvt': ours('MViT', size, arch='base'),
        'torchvision': partial(torchvision_mvit, 'mvit_v1_b', size),
    }


def mvitv2_s(size: Sequence[int]) -> Models:
    """MViTv2-S for clips."""
    return {
        'mmhvt': ours('MViT', size, arch='v2_small', with_cls_token=True),
        'torchvision': partial(torchvision_mvit, 'mvit_v2_s', size),
        'mmaction2': partial(
            construct, 'mmaction.models.MViT', arch='small', temporal_size=size[0], spatial_size=size[-1]
        ),
    }


def video_swin(arch: str, size: Sequence[int]) -> Models:
    """Video Swin for clips, 'tiny' or 'base'."""
    return {
        'mmhvt': ours('VideoSwin', size, arch=arch),
        'torchvision': partial(construct, f'torchvision.models.video.swin3d_{arch[0]}'),
        'mmaction2': partial(construct, 'mmaction.models.SwinTransformer3D', arch=arch),
    }


def smvit(arch: str, size: Sequence[int]) -> Models:
    """SMViT, 'base' or 'large'."""
    return {
        'mmhvt': ours('SMViT', size, arch=arch),
        'hiera': partial(hiera, arch, size),
        'hiera-optim': partial(hiera, arch, size, optimized=True),
    }


def uniformerv2_b(size: Sequence[int]) -> Models:
    """UniFormerV2-B/16 for Kinetics."""
    return {
        'mmhvt': ours('UniFormerV2', size, **UNIFORMERV2_ROWS['uniformerv2-b16-8f']),
        'mmaction2': partial(
            construct, 'mmaction.models.UniFormerV2', clip_pretrained=False, t_size=size[0], input_resolution=size[-1]
        ),
    }


def uniformerv2_b_sth(size: Sequence[int]) -> Models:
    """UniFormerV2-B/16 for Something-Something, with all of its designs."""
    return {
        'mmhvt': ours('UniFormerV2', size, **UNIFORMERV2_ROWS['uniformerv2-b16-sthv2-16f']),
        'mmaction2': partial(
            construct,
            'mmaction.models.UniFormerV2',
            clip_pretrained=False,
            t_size=size[0],
            input_resolution=size[-1],
            temporal_downsample=True,
            no_lmhra=False,
            double_lmhra=True,
            return_list=list(range(4, 12)),
            n_layers=8,
            mlp_dropout=[0.5] * 8,  # one rate per layer
        ),
    }


def image_mvitv2(arch: str, size: Sequence[int]) -> Models:
    """MViTv2 for images, 'tiny' or 'small'."""
    return {
        'mmhvt': ours('MViT', size, arch=f'v2_{arch}'),
        'timm': partial(construct, f'timm.models.mvitv2_{arch}', num_classes=0, img_size=tuple(size)),
        'mmpretrain': partial(construct, 'mmpretrain.models.MViT', arch=arch, img_size=size[0]),
    }


def image_smvit(size: Sequence[int]) -> Models:
    """SMViT-B for images."""
    return smvit('base', size) | {
        'timm': partial(construct, 'timm.models.hiera_base_224', num_classes=0, img_size=tuple(size))
    }


def image_swin(size: Sequence[int]) -> Models:
    """Swin-T for images."""
    return {
        'mmhvt': ours('VideoSwin', size, arch='tiny'),
        'torchvision': partial(construct, 'torchvision.models.swin_t'),
        'mmpretrain': partial(
            construct,
            'mmpretrain.models.SwinTransformer',
            arch='tiny',
            img_size=size[0],
            pad_small_map=size[0] < 224,  # its last maps are smaller than a window
        ),
    }


def masked(size: Sequence[int]) -> Models:
    """Masked pre-training of SMViT-B."""
    return {
        'mmhvt': partial(MaskedLoss, size),
        'hiera': partial(hiera, 'base', size, masked=True),
        'hiera-optim': partial(hiera, 'base', size, masked=True, optimized=True),
    }


def kept(size: Sequence[int]) -> Models:
    """Masked pre-training with masked units deleted (figure 4e of Hiera), and kept (figure 4c)."""
    return {'deleted': partial(MaskedLoss, size), 'kept': partial(MaskedLoss, size, keep_masked=True)}


def windows(size: Sequence[int]) -> Models:
    """MViTv2-T as detectors use it, with windows in most blocks, and without windows."""
    return {
        'windows': ours('MViT', (224, 224), arch='v2_tiny', window_size=56),
        'global': ours('MViT', size, arch='v2_tiny'),
    }


def goals(inference: float, training: float, cuda: float, against: str | None = None) -> list[Goal]:
    """Ratios of both times on a CPU, and of a training step on a GPU."""
    return [
        Goal('inference', inference, against),
        Goal('training', training, against),
        Goal('training', cuda, against, 'cuda'),
    ]


# clips of 8 to 64 frames, and of 224² to 448² pixels
CLIPS = [*((frames, 224, 224) for frames in (8, 16, 32, 64)), *((16, side, side) for side in (320, 448))]
OTHER_CLIPS = [(4, (16, 224, 224)), (1, (8, 224, 224)), (1, (32, 224, 224)), (1, (16, 112, 112)), (1, (16, 320, 320))]
OTHER_SHORT_CLIPS = [
    (4, (8, 224, 224)),
    (1, (16, 224, 224)),
    (1, (32, 224, 224)),
    (1, (8, 112, 112)),
    (1, (8, 320, 320)),
]
OTHER_IMAGES = [(4, (224, 224)), (8, (112, 112)), (8, (320, 320))]


def multiples_of_32(shapes: Sequence[tuple[int, tuple[int, ...]]]) -> list[tuple[int, tuple[int, ...]]]:
    """Batches and sizes that Hiera's code accepts."""
    return [(batch, size) for batch, size in shapes if size[-1] % 32 == 0]


HIERA_GOALS = [*goals(1.25, 1.25, 2.0), *goals(1.5, 1.4, 2.0, 'hiera')]
IMAGE_GOALS = goals(1.25, 1.2, 1.25)
FAMILIES: dict[str, Family] = {
    'mvitv2-s': Family(mvitv2_s, (16, 224, 224), goals(1.5, 1.4, 1.8), OTHER_CLIPS, CLIPS),
    'mvit-b': Family(mvit_b, (16, 224, 224), goals(1.5, 1.4, 1.4), OTHER_CLIPS, CLIPS),
    'video-swin-t': Family(partial(video_swin, 'tiny'), (32, 224, 224), goals(1.5, 1.4, 1.8), OTHER_CLIPS, CLIPS),
    'video-swin-b': Family(partial(video_swin, 'base'), (16, 224, 224), goals(1.5, 1.4, 1.8)),
    'smvit-b': Family(partial(smvit, 'base'), (16, 224, 224), HIERA_GOALS, multiples_of_32(OTHER_CLIPS), CLIPS),
    'smvit-l': Family(partial(smvit, 'large'), (16, 224, 224), HIERA_GOALS),
    'uniformerv2-b': Family(uniformerv2_b, (8, 224, 224), goals(1.25, 1.25, 1.4), OTHER_SHORT_CLIPS, CLIPS),
    'uniformerv2-b-sth': Family(uniformerv2_b_sth, (16, 224, 224), goals(1.25, 1.25, 1.4)),
    'image-mvitv2-s': Family(partial(image_mvitv2, 'small'), (224, 224), IMAGE_GOALS, OTHER_IMAGES, batch=8),
    'image-smvit-b': Family(image_smvit, (224, 224), IMAGE_GOALS, multiples_of_32(OTHER_IMAGES), batch=8),
    'image-swin-t': Family(image_swin, (224, 224), IMAGE_GOALS, OTHER_IMAGES, batch=8),
    'detection-mvitv2-t': Family(partial(image_mvitv2, 'tiny'), (1024, 1024), goals(2.0, 2.0, 1.25)),
    'mae-smvit-b': Family(
        masked,
        (16, 224, 224),
        [Goal('training', 2.0, 'hiera-optim'), Goal('training', 1.0, device='cuda')],
        modes=('training', 'memory'),
    ),
}


CASES: dict[str, Case] = {}
for name, family in FAMILIES.items():
    CASES |= family.cases(name)
CASES |= {
    'mae-kept-16x224': Case((1, 3, 16, 224, 224), kept((16, 224, 224)), modes=('training', 'memory')),
    'mae-kept-224': Case((8, 3, 224, 224), kept((224, 224)), modes=('training', 'memory')),
    'detection-windows-1024': Case((1, 3, 1024, 1024), windows((1024, 1024))),
}
CASES |= {
    f'relative-positions-{name}': Case(
        query_shape(name),
        {form: partial(Attention, name, form) for form in ('extended', 'bias', 'plain')},
    )
    for name in ATTENTIONS
}
GROUPS = {
    'goals': [name for name, case in CASES.items() if case.goals],
    'cost': [case_name(name, size) for name, family in FAMILIES.items() for size in family.cost],
}


def choose(wanted: Sequence[str]) -> list[str]:
    """Names of cases.

    Args:
        wanted: Cases, groups of them, or patterns such as 'smvit-*'.

    Raises:
        ValueError: If one is none of these.
    """
    found: list[str] = []
    for name in wanted:
        names = GROUPS.get(name) or matching(CASES, name)
        if not names:
            raise ValueError(f'no case {name}: choose from {", ".join([*GROUPS, *CASES])}, or write a pattern')
        found += names
    return list(dict.fromkeys(found))
