"""Lists of iNaturalist 2017, 2018 and 2019: paths and labels from the official annotations."""

import argparse
import json
import sys
from pathlib import Path

DETAILS = """
ANNOTATIONS are the official train2018.json, val2018.json (or 2017, 2019), which have images, annotations and
categories. Written into OUT/meta, for images that lie under OUT as file_name says (OUT/train_val2018/…):

  train.txt, val.txt   lines of path and label; labels are the places of the category ids in ascending order

  python tools/data/inat_lists.py train2018.json val2018.json data/inat2018
"""


def read_lines(path: Path) -> tuple[list[str], list[int]]:
    """Lines of path and label, and the category ids.

    Raises:
        ValueError: If the file is no annotation file, or has an image without a category of its own.
    """
    try:
        content = json.loads(path.read_text())
        categories = sorted(category['id'] for category in content['categories'])
        labels = {category: label for label, category in enumerate(categories)}
        found = {entry['image_id']: labels[entry['category_id']] for entry in content['annotations']}
        lines = [f'{image["file_name"]} {found[image["id"]]}' for image in content['images']]
    except FileNotFoundError:
        raise ValueError(f'there is no annotation file {path}') from None
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is no JSON: {error}') from None
    except (KeyError, TypeError) as error:
        raise ValueError(f'{path} is not of the form that --help tells ({error!r})') from None
    return lines, categories


def write_lists(train: Path, val: Path, out: Path) -> str:
    """Writes both lists and returns what was counted.

    Raises:
        ValueError: If a file cannot be read, or the two differ in their categories.
    """
    (train_lines, categories), (val_lines, others) = read_lines(train), read_lines(val)
    if categories != others:
        raise ValueError(f'{train} has {len(categories)} categories and {val} has other ones, {len(others)}')
    (out / 'meta').mkdir(parents=True, exist_ok=True)
    for name, lines in dict(train=train_lines, val=val_lines).items():
        (out / 'meta' / f'{name}.txt').write_text('\n'.join(lines) + '\n')
    return f'{len(train_lines)} images to train on and {len(val_lines)} to test on, of {len(categories)} classes'


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('train', type=Path, metavar='ANNOTATIONS', help='of the training images')
    parser.add_argument('val', type=Path, metavar='ANNOTATIONS', help='of the validation images')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the data set')
    arguments = parser.parse_args()
    try:
        print(write_lists(arguments.train, arguments.val, arguments.out))
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
