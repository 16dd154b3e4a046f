"""Options that the demos share."""

import math
from argparse import ArgumentParser, BooleanOptionalAction


def number(text: str) -> float:
    """An option's value: no infinity, no NaN."""
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def add_reading_options(parser: ArgumentParser) -> None:
    """Options of :class:`mmhvt.apis.streams.FrameSource`."""
    parser.add_argument('--duration', type=number, help='seconds to read of VIDEO at most')
    parser.add_argument('--fps', type=number, help='frames a second, if VIDEO tells a wrong rate or none')
    parser.add_argument(
        '--live',
        action=BooleanOptionalAction,
        help='whether frames are dropped to stay near the present (default: of cameras and live streams)',
    )
