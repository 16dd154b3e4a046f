"""Used by all parts of the package: checks of arguments, `init_cfg`, lazy imports."""

from .lazy import lazy_attributes

# checks of options need torch, which programs that only read configs or list models do without
__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'checks': ['check_choice', 'nearest'],
        'init_cfg': ['split_pretrained'],
        'options': ['OptionError', 'check_fields', 'check_options'],
    },
)
