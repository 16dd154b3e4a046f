from .recognition_head import RecognitionHead

__all__ = ['RecognitionHead']
