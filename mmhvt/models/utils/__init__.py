from .blending import MixupCutmix

__all__ = ['MixupCutmix']
