from .five_crop import FiveCrop
from .name_dataset import NameDataset
from .rand_augment import RandAugment
from .shuffle_frames import ShuffleFrames
from .three_crop import ThreeCrop

__all__ = ['FiveCrop', 'NameDataset', 'RandAugment', 'ShuffleFrames', 'ThreeCrop']
