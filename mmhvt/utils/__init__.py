"""Used by all parts of the package: checks of arguments, `init_cfg`, lazy imports."""

from .checks import check_choice, nearest
from .init_cfg import split_pretrained
from .options import OptionError, check_fields, check_options

__all__ = ['OptionError', 'check_choice', 'check_fields', 'check_options', 'nearest', 'split_pretrained']
