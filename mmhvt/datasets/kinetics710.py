"""Kinetics-710: the merged classes and training sets of Kinetics-400, -600 and -700, without the videos of their
validation and test sets.

Paper: UniFormerV2 (https://arxiv.org/abs/2211.09552), section 4 and appendix F.

kinetics710.csv has a line for each of the 710 classes, in the order of the published checkpoints: its name, and its
name in each of the three sets, if it belongs to them. The labels of a set follow the alphabetical order of its names.
Names and order are those of the published label maps. Table 20 differs: it shortens 'barbequing', 'cooking sausages
(not on barbeque)' and 'using remote controller (not gaming)', and omits 'sniffing' of Kinetics-400, which is 'smelling
feet'.
"""

import csv
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path

SETS = {'k400': 'Kinetics-400', 'k600': 'Kinetics-600', 'k700': 'Kinetics-700'}
SPLITS = ('train', 'val')
FILE_NAME = '{youtube_id}_{time_start:06d}_{time_end:06d}.mp4'

# values of the column `split` in the official files
_SPLIT_NAMES = {'train': {'train'}, 'val': {'val', 'validate'}, 'test': {'test', 'holdout'}}
_YOUTUBE_ID = r'[A-Za-z0-9_-]{11}'


@cache
def table() -> tuple[dict[str, str], ...]:
    """Returns the 710 classes, each as {'k710': name, 'k400': name there or '', 'k600': …, 'k700': …}."""
    with Path(__file__).with_name('kinetics710.csv').open(encoding='utf-8', newline='') as file:
        return tuple(csv.DictReader(file))


@cache
def labels(dataset: str) -> tuple[str, ...]:
    """Returns the names of the classes of 'k400', 'k600', 'k700' or 'k710', in the order of their labels.

    Raises:
        ValueError: If the set is unknown.
    """
    if dataset == 'k710':
        return tuple(row['k710'] for row in table())
    if dataset not in SETS:
        raise ValueError(f'unknown Kinetics set {dataset!r}; choose from {", ".join(SETS)}, k710')
    return tuple(sorted(row[dataset] for row in table() if row[dataset]))


@cache
def to_k710(dataset: str) -> tuple[int, ...]:
    """Returns the Kinetics-710 label of each label of a set.

    Raises:
        ValueError: See :func:`labels`.
    """
    places = {row[dataset]: place for place, row in enumerate(table())}
    return tuple(places[name] for name in labels(dataset))


@dataclass(frozen=True)
class Annotations:
    """Annotation files of one set, in the formats of :func:`read_videos`.

    Attributes:
        dataset: Key of :data:`SETS`.
        train: Path of the training file.
        val: Path of the validation file.
        tests: Paths of the test files, if available. Their labels are not read. Defaults to ().
        folder: Prefix of the paths in the written lists, in which `{split}` becomes train or val. Defaults to ''.
    """

    dataset: str
    train: str | Path
    val: str | Path
    tests: Sequence[str | Path] = ()
    folder: str = ''


@dataclass(frozen=True)
class Video:
    """A line of an annotation file: YouTube id, path within the folder, and label in its set (-1 in test files)."""

    youtube_id: str
    path: str
    label: int


@dataclass
class Counts:
    """Numbers of videos in a file: read = absent + leaked + duplicates + kept."""

    read: int = 0
    absent: int = 0
    leaked: int = 0
    duplicates: int = 0
    kept: int = 0


@dataclass
class Merged:
    """Result of :func:`merge`.

    Attributes:
        lists: Lines of path and label by (set, split), for 'k710' and, with their own labels, 'k400', 'k600', 'k700'.
        counts: What each (set, split) contributes to Kinetics-710.
    """

    lists: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    counts: dict[tuple[str, str], Counts] = field(default_factory=dict)

    def report(self) -> str:
        """Returns the counts as a table."""
        columns = ['read', 'absent', 'leaked', 'duplicates', 'kept']
        rows = [['', *columns]]
        for split in SPLITS:
            some = {dataset: count for (dataset, of), count in self.counts.items() if of == split}
            rows += [
                [f'{SETS[name]} {split}', *(getattr(count, key) for key in columns)] for name, count in some.items()
            ]
            totals = [sum(getattr(count, key) for count in some.values()) for key in columns]
            rows.append([f'Kinetics-710 {split}', *totals])
        return '\n'.join(f'{row[0]:<18}' + ''.join(f'{cell:>12}' for cell in row[1:]) for row in rows)


def _label(text: str, dataset: str) -> int | None:
    """Label of a class name of the set or of Kinetics-710, regardless of case."""
    return _names(dataset).get(text.strip().casefold())


@cache
def _names(dataset: str) -> Mapping[str, int]:
    own = labels(dataset)
    shared = [table()[place]['k710'] for place in to_k710(dataset)]
    return {name.casefold(): label for names in (shared, own) for label, name in enumerate(names)}


def _unknown(file: str | Path, unknown: Mapping[str, int], dataset: str) -> ValueError:
    known = {name.casefold(): name for name in labels(dataset)}
    listed = []
    for name, line in list(unknown.items())[:5]:
        nearest = get_close_matches(name.casefold(), known, n=1, cutoff=0)[0]
        listed.append(f'line {line}: {name!r} (nearest: {known[nearest]!r})')
    more = f'; and {len(unknown) - 5} more' if len(unknown) > 5 else ''
    return ValueError(
        f'{file} has names that are not among the {len(known)} classes of {SETS[dataset]}: {"; ".join(listed)}{more}. '
        f"mmhvt.datasets.kinetics710.labels('{dataset}') lists the classes"
    )


def read_videos(file: str | Path, dataset: str, split: str, file_name: str = FILE_NAME) -> list[Video]:
    """Reads the videos of an annotation file.

    Args:
        file: Path of the official CSV, whose first line names its columns (label, youtube_id, time_start, time_end,
            split; a test file needs only youtube_id), or of a list for mmaction with lines of path and integer label
            (optional in a test file), whose files are named by YouTube id, or by id, start and end:
            `…/0347ZoDXyP0_000095_000105.mp4`. Empty lines are skipped.
        dataset: Key of :data:`SETS` to which the labels belong.
        split: 'train', 'val' or 'test'.
        file_name: Path of a video of a CSV, as a format string of youtube_id, time_start, time_end (integer seconds)
            and label (with `_` for spaces). Defaults to :data:`FILE_NAME`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty, or a row is malformed or has an unknown label. The message names file and line.
    """
    try:
        text = Path(file).read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        raise FileNotFoundError(f'annotation file {file} ({SETS[dataset]}, {split}) does not exist') from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f'{file} cannot be read as an annotation file: {error}') from None
    lines = text.splitlines()
    header = next(csv.reader(lines), [])
    read = _read_csv if 'youtube_id' in header else _read_list
    videos = read(file, lines, dataset, split, file_name)
    if not videos:
        raise ValueError(f'{file} has no videos: it needs one line for each')
    return videos


def _read_csv(file: str | Path, lines: list[str], dataset: str, split: str, file_name: str) -> list[Video]:
    reader = csv.DictReader(lines)
    needed = ['youtube_id'] if split == 'test' else ['label', 'youtube_id', 'time_start', 'time_end']
    columns = reader.fieldnames or ()
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise ValueError(f'{file} lacks the columns {", ".join(lacking)}: its first line is {lines[0]!r}')
    videos = []
    unknown: dict[str, int] = {}
    for row in reader:
        where = f'{file}, line {reader.line_num}'
        if None in row or None in row.values():
            raise ValueError(f'{where} does not have the {len(columns)} fields that the first line names')
        if not re.fullmatch(_YOUTUBE_ID, row['youtube_id']):
            raise ValueError(f'{where}: {row["youtube_id"]!r} is not a YouTube id of 11 letters, digits, - or _')
        if row.get('split') and row['split'] not in _SPLIT_NAMES[split]:
            raise ValueError(f'{where} belongs to the split {row["split"]!r}, but the file was given for {split}')
        if split == 'test':
            videos.append(Video(row['youtube_id'], '', -1))
            continue
        try:
            start, end = (int(float(row[name])) for name in ('time_start', 'time_end'))
        except (ValueError, OverflowError):
            raise ValueError(
                f'{where}: time_start={row["time_start"]!r} and time_end={row["time_end"]!r} must be seconds'
            ) from None
        label = _label(row['label'], dataset)
        if label is None:
            unknown.setdefault(row['label'], reader.line_num)
            continue
        name = row['label'].strip().replace(' ', '_')
        try:
            path = file_name.format(youtube_id=row['youtube_id'], time_start=start, time_end=end, label=name)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f'{file_name!r} is not a format string of youtube_id, time_start, time_end, label: {error}'
            ) from None
        videos.append(Video(row['youtube_id'], path, label))
    if unknown:
        raise _unknown(file, unknown, dataset)
    return videos


def _read_list(file: str | Path, lines: list[str], dataset: str, split: str, file_name: str) -> list[Video]:
    num_classes = len(labels(dataset))
    videos = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        where = f'{file}, line {number}: {line.strip()!r}'
        if len(fields) != 2 and (split != 'test' or len(fields) > 2):
            raise ValueError(f'{where} must be a path and a label, separated by a space')
        stem = Path(fields[0]).name.split('.')[0]
        match = re.fullmatch(rf'({_YOUTUBE_ID})(_\d+_\d+)?', stem)
        if not match:
            raise ValueError(f'{where} has no YouTube id in the file name, which must be ID_START_END.mp4 or ID.mp4')
        label = -1
        if split != 'test':
            if not fields[1].isdecimal() or int(fields[1]) >= num_classes:
                raise ValueError(f'{where}: labels of {SETS[dataset]} must be from 0 to {num_classes - 1}')
            label = int(fields[1])
        videos.append(Video(match[1], fields[0], label))
    return videos


def merge(sets: Iterable[Annotations], root: str | Path | None = None, file_name: str = FILE_NAME) -> Merged:
    """Merges the three sets into Kinetics-710.

    The training videos of Kinetics-710 are those of the three sets without leaked ones, whose YouTube id is in any
    validation or test file. Each id occurs once: of duplicates, the one from the first set is kept. Give Kinetics-400
    first, since it has eight classes that the others lack. The validation videos are those of the sets, each id once.
    The lists of the single sets, for co-training with a head for each (table 9e), keep duplicates and lose only leaked
    videos.

    Args:
        sets: Annotation files of each of :data:`SETS`, once.
        root: Folder to which the paths in the lists are relative. If given, videos that do not exist are left out and
            counted as absent. Defaults to None.
        file_name: See :func:`read_videos`. Defaults to :data:`FILE_NAME`.

    Raises:
        FileNotFoundError: See :func:`read_videos`.
        ValueError: See :func:`read_videos`; or if a set is missing or given twice, or a path contains a space.
    """
    sets = list(sets)
    given = [annotations.dataset for annotations in sets]
    if sorted(given) != sorted(SETS):
        raise ValueError(f'Kinetics-710 needs {", ".join(SETS)}, each once, got {", ".join(given) or "none"}')
    videos, held_out = {}, set()
    for annotations in sets:
        for split, file in (('train', annotations.train), ('val', annotations.val)):
            videos[annotations.dataset, split] = read_videos(file, annotations.dataset, split, file_name)
        tested = [v for file in annotations.tests for v in read_videos(file, annotations.dataset, 'test', file_name)]
        held_out |= {video.youtube_id for video in [*videos[annotations.dataset, 'val'], *tested]}

    merged = Merged()
    for split in SPLITS:
        seen = set()
        together = merged.lists['k710', split] = []
        for annotations in sets:
            dataset, folder = annotations.dataset, annotations.folder.replace('{split}', split)
            counts = merged.counts[dataset, split] = Counts()
            alone, seen_here = merged.lists.setdefault((dataset, split), []), set()
            for video in videos[dataset, split]:
                counts.read += 1
                path = f'{folder.rstrip("/")}/{video.path}' if folder else video.path
                if any(character.isspace() for character in path):
                    raise ValueError(f'{path!r} contains a space, which lists of path and label cannot have')
                if root is not None and not os.path.isfile(os.path.join(root, path)):
                    counts.absent += 1
                    continue
                if split == 'train' and video.youtube_id in held_out:
                    counts.leaked += 1
                    continue
                if video.youtube_id not in seen_here:
                    alone.append(f'{path} {video.label}')
                if video.youtube_id in seen:
                    counts.duplicates += 1
                else:
                    counts.kept += 1
                    together.append(f'{path} {to_k710(dataset)[video.label]}')
                seen_here.add(video.youtube_id)
                seen.add(video.youtube_id)
    return merged


def write_lists(out: str | Path, merged: Merged) -> list[Path]:
    """Writes `kinetics{710,400,600,700}_{train,val}_list_videos.txt` to a folder, either all of them or none.

    Returns:
        list[Path]: Paths of the files.

    Raises:
        ValueError: If a list is empty.
        OSError: If a file cannot be written.
    """
    out = Path(out)
    targets = {key: out / f'kinetics{key[0][1:]}_{key[1]}_list_videos.txt' for key in merged.lists}
    for key, lines in merged.lists.items():
        if not lines:
            raise ValueError(f'{targets[key].name} would be empty, so nothing is written:\n{merged.report()}')
    out.mkdir(parents=True, exist_ok=True)
    temporary = {key: path.with_name(f'.{path.name}.unfinished') for key, path in targets.items()}
    try:
        for key, lines in merged.lists.items():
            temporary[key].write_text('\n'.join(lines) + '\n', encoding='utf-8')
        for key, path in targets.items():
            temporary[key].replace(path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return list(targets.values())
