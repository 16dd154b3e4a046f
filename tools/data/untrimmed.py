"""Lists of ActivityNet or HACS: action segments to train on, whole videos to test on."""

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

DETAILS = """
ANNOTATIONS is activity_net.v1-3.min.json, HACS_segments_v1.1.1.json or another of their form: database -> id -> subset,
annotations (segment, label). VIDEOS has the videos, named ID or v_ID with any extension. Written into OUT:

  NAME_train_list_segments.txt   path, start and end in seconds, label: a line for each action of the training videos
  NAME_val_list_videos.txt       path and label of the validation videos; of several labels that of most seconds
  NAME_label_map.txt             names of the classes in the order of their labels: alphabetical, or those of --classes

  python tools/data/untrimmed.py activity_net.v1-3.min.json data/ActivityNet/videos data/ActivityNet --name activitynet
"""


def read_database(path: Path) -> dict[str, dict]:
    """Videos by id.

    Raises:
        ValueError: If the file is none of annotations; names the first video at fault.
    """
    where = 'its first level'
    try:
        database = json.loads(path.read_text())['database']
        for name, video in database.items():
            where = f'video {name!r}'
            video['subset']
            for action in video['annotations']:
                start, end = map(float, action['segment'])
                action.update(segment=(start, end), label=str(action['label']))
    except FileNotFoundError:
        raise ValueError(f'there is no annotation file {path}') from None
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is no JSON: {error}') from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f'{path}: {where} is not of the form that --help tells ({error!r})') from None
    return database


def write_lists(annotations: Path, videos: Path, out: Path, name: str, classes: Path | None = None) -> str:
    """Writes the lists and returns what was counted.

    Raises:
        ValueError: If the annotations cannot be read, have a label that `classes` lacks, or leave a list empty.
    """
    database = read_database(annotations)
    found = {action['label'] for video in database.values() for action in video['annotations']}
    names = sorted(found) if classes is None else classes.read_text().splitlines()
    if unknown := sorted(found - set(names)):
        raise ValueError(f'{annotations} has labels that are not in {classes}: {", ".join(unknown[:5])}')
    if spaced := [path.name for path in videos.iterdir() if len(path.name.split()) > 1]:
        raise ValueError(f'{spaced[0]!r} in {videos} has a space in its name, which lists cannot have')
    files = {path.stem.removeprefix('v_'): path.name for path in sorted(videos.iterdir()) if path.is_file()}
    counts, segments, whole = Counter(), [], []
    for key, video in database.items():
        subset = video['subset']
        if subset not in ('training', 'validation') or not video['annotations']:
            continue
        if key not in files:
            counts[subset, 'absent'] += 1
            continue
        counts[subset, 'videos'] += 1
        seconds = defaultdict(float)
        for action in video['annotations']:
            start, end = action['segment']
            label = names.index(action['label'])
            seconds[label] += end - start
            if subset == 'training' and 0 <= start < end:
                segments.append(f'{files[key]} {start:g} {end:g} {label}')
            elif subset == 'training':
                counts[subset, 'segments without length'] += 1
        if subset == 'validation':
            whole.append(f'{files[key]} {max(seconds, key=seconds.get)}')
    lists = {'train_list_segments': segments, 'val_list_videos': whole, 'label_map': names}
    for suffix, lines in lists.items():
        if not lines:
            raise ValueError(f'{name}_{suffix}.txt would be empty: none of the annotated videos is in {videos}')
    out.mkdir(parents=True, exist_ok=True)
    for suffix, lines in lists.items():
        (out / f'{name}_{suffix}.txt').write_text('\n'.join(lines) + '\n')
    told = [f'{count} {what} ({subset})' for (subset, what), count in sorted(counts.items())]
    return f'{", ".join(told)}; {len(segments)} segments, {len(names)} classes'


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', metavar='ANNOTATIONS', type=Path)
    parser.add_argument('videos', metavar='VIDEOS', type=Path)
    parser.add_argument('out', metavar='OUT', type=Path)
    parser.add_argument('--name', required=True, help='activitynet or hacs: how the lists begin')
    parser.add_argument('--classes', type=Path, help='file of class names, one a line, in the order of their labels')
    arguments = parser.parse_args()
    try:
        print(write_lists(**vars(arguments)))
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
