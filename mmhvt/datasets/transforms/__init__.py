from .rand_augment import RandAugment
from .shuffle_frames import ShuffleFrames
from .three_crop import ThreeCrop

__all__ = ['RandAugment', 'ShuffleFrames', 'ThreeCrop']
