"""Shared parts of the demos' command lines."""

import math
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Callable

from mmhvt.datasets import UnreadableVideoError


def number(text: str) -> float:
    """A finite number."""
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def add_reading_options(parser: ArgumentParser) -> None:
    """Options of :class:`mmhvt.apis.streams.FrameSource`."""
    parser.add_argument('--duration', type=number, help='longest time to read, in seconds')
    parser.add_argument('--fps', type=number, help='frames a second, if VIDEO gives a wrong rate or none')
    parser.add_argument(
        '--live',
        action=BooleanOptionalAction,
        help='whether frames are dropped to stay near the present (default: for cameras and live streams)',
    )


def exit_status(program: str, run: Callable[[], str], interrupted: str) -> int:
    """Run a demo, and print an error as one line on stderr.

    Args:
        program: Name of the demo.
        run: Demo; returns what is missing from the videos, '' if nothing is.
        interrupted: Message after Ctrl-C.

    Returns:
        int: 0; 1 after an error or a lost video; 130 after Ctrl-C.
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
        print(f'{program}: {lost}', file=sys.stderr)
    return int(bool(lost))
