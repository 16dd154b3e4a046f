"""Lists of iNaturalist 2017, 2018 and 2019 from the official annotations."""

from pathlib import Path, PurePosixPath

from mmhvt.utils.files import read_json


def read_lines(path: Path) -> tuple[list[str], dict[int, str]]:
    """Lines of path and label, and the names of the categories by id, in the order of their labels.

    Raises:
        ValueError: If the file is not an annotation file, or has an image without a category.
    """
    try:
        content = read_json(path)
        # a set whose names are kept secret may have only ids
        named = ((category['id'], str(category.get('name', category['id']))) for category in content['categories'])
        categories = dict(sorted(named))
        labels = {category: label for label, category in enumerate(categories)}
        found = {entry['image_id']: labels[entry['category_id']] for entry in content['annotations']}
        lines = [f'{_inside(image["file_name"], path)} {found[image["id"]]}' for image in content['images']]
    except FileNotFoundError:
        raise ValueError(f'there is no annotation file {path}') from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} does not have the format that --help describes ({error!r})') from None
    return lines, categories


def _inside(name: str, path: Path) -> str:
    """Returns the name of an image, which must be below the folder of the images."""
    if PurePosixPath(name).is_absolute() or '..' in PurePosixPath(name).parts or not name.isprintable():
        raise ValueError(f'{path}: file_name {name!r} leads out of the folder of the images')
    return name


def write_lists(train: Path, val: Path, out: Path) -> str:
    """Writes both lists and the names of the classes, and returns a summary.

    Raises:
        ValueError: If a file cannot be read, or the two have different categories.
    """
    (train_lines, categories), (val_lines, others) = read_lines(train), read_lines(val)
    if list(categories) != list(others):
        raise ValueError(f'the categories of {train} ({len(categories)}) and {val} ({len(others)}) differ')
    (out / 'meta').mkdir(parents=True, exist_ok=True)
    for name, lines in dict(train=train_lines, val=val_lines, classes=categories.values()).items():
        (out / 'meta' / f'{name}.txt').write_text('\n'.join(lines) + '\n')
    return f'{len(train_lines)} images to train on and {len(val_lines)} to test on, of {len(categories)} classes'
