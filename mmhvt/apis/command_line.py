"""What the command lines of the demos share."""

import math
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Callable

from mmhvt.datasets import UnreadableVideoError


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


def exit_status(program: str, run: Callable[[], str], interrupted: str) -> int:
    """Runs a demo, and tells what goes wrong in a line on stderr.

    Args:
        program: Name of the demo.
        run: Gives how the video was lost, '' if it was not.
        interrupted: What to say of Ctrl-C.

    Returns:
        int: 0; 1 behind an error or a lost video; 130 behind Ctrl-C.
    """
    try:
        lost = run()
    except (OSError, ValueError, UnreadableVideoError) as error:
        print(f'{program}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{program}: {interrupted}', file=sys.stderr)
        return 130
    if lost:
        print(f'{program}: {lost}; what came before is written', file=sys.stderr)
    return int(bool(lost))
