"""Lists of ActivityNet and HACS: action segments for training, whole videos for testing."""

from collections import Counter, defaultdict
from pathlib import Path

from mmhvt.utils.files import read_json

from .labels import read_classes


def read_database(path: Path) -> dict[str, dict]:
    """Videos by id.

    Raises:
        ValueError: If the file is not an annotation file. The message names the first video at fault.
    """
    where = 'its first level'
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise ValueError(f'there is no annotation file {path}') from None
    try:
        database = content['database']
        for name, video in database.items():
            where = f'video {name!r}'
            video['subset']
            for action in video['annotations']:
                start, end = map(float, action['segment'])
                action.update(segment=(start, end), label=str(action['label']))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f'{path}: {where} does not have the format that --help describes ({error!r})') from None
    return database


def write_lists(annotations: Path, videos: Path, out: Path, name: str, classes: Path | None = None) -> str:
    """Writes the lists and returns a summary.

    Raises:
        ValueError: If the annotations cannot be read, have a label that `classes` lacks, or leave a list empty.
    """
    database = read_database(annotations)
    found = {action['label'] for video in database.values() for action in video['annotations']}
    names = sorted(found) if classes is None else list(read_classes(classes))
    if unknown := sorted(found - set(names)):
        raise ValueError(f'{annotations} has labels that are not in {classes}: {", ".join(unknown[:5])}')
    if spaced := [path.name for path in videos.iterdir() if len(path.name.split()) > 1]:
        raise ValueError(f'{spaced[0]!r} in {videos} has a space in its name, which lists cannot have')
    files = {path.stem.removeprefix('v_'): path.name for path in sorted(videos.iterdir()) if path.is_file()}
    counts: Counter[tuple[str, str]] = Counter()
    segments, whole = [], []
    for key, video in database.items():
        subset = video['subset']
        if subset not in ('training', 'validation') or not video['annotations']:
            continue
        if key not in files:
            counts[subset, 'absent'] += 1
            continue
        counts[subset, 'videos'] += 1
        seconds: defaultdict[int, float] = defaultdict(float)
        for action in video['annotations']:
            start, end = action['segment']
            label = names.index(action['label'])
            seconds[label] += end - start
            if subset == 'training' and 0 <= start < end:
                segments.append(f'{files[key]} {start:g} {end:g} {label}')
            elif subset == 'training':
                counts[subset, 'segments without length'] += 1
        if subset == 'validation':
            whole.append(f'{files[key]} {max(seconds, key=seconds.__getitem__)}')
    lists = {'train_list_segments': segments, 'val_list_videos': whole, 'label_map': names}
    for suffix, lines in lists.items():
        if not lines:
            raise ValueError(f'{name}_{suffix}.txt would be empty: none of the annotated videos is in {videos}')
    out.mkdir(parents=True, exist_ok=True)
    for suffix, lines in lists.items():
        (out / f'{name}_{suffix}.txt').write_text('\n'.join(lines) + '\n')
    told = [f'{count} {what} ({subset})' for (subset, what), count in sorted(counts.items())]
    return f'{", ".join(told)}; {len(segments)} segments, {len(names)} classes'
