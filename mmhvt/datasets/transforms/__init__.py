from .rand_augment import RandAugment
from .shuffle_frames import ShuffleFrames

__all__ = ['RandAugment', 'ShuffleFrames']
