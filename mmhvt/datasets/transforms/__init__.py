from .rand_augment import RandAugment

__all__ = ['RandAugment']
