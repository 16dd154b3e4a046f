"""Names of classes from files."""

import re
from collections.abc import Sized
from pathlib import Path

QUOTED = r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'"


def read_names(path: Path) -> dict[int, str]:
    """Names of actions by number from 1: of a label map as AVA's (.pbtxt), or of a text of one name a line.

    Raises:
        ValueError: If there are none, or the label map is not one of names and numbers.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} cannot be read as names of actions: {error}') from error
    if path.suffix.lower() == '.pbtxt' or re.search(r'(?m)^\s*(item|label)\s*:?\s*\{', text):
        names = _names_of_label_map(path, text)
    else:
        names = dict(enumerate((line.strip() for line in text.splitlines() if line.strip()), 1))
    if not names:
        raise ValueError(f'{path} has no names of actions')
    return names


def check_names(names: Sized, classes: int, where: object) -> None:
    """Raises a ValueError if `names`, of the file `where`, are not as many as the classes of the head."""
    if len(names) != classes:
        raise ValueError(f'{where} names {len(names)} classes, the head has {classes}')


def _names_of_label_map(path: Path, text: str) -> dict[int, str]:
    # mmaction's read_labelmap takes one layout alone, and gives wrong names of others
    text = re.sub(rf'({QUOTED})|#.*', r'\1', text)  # without comments
    item = rf'(?:item|label)\s*:?\s*\{{((?:[^{{}}"\']|{QUOTED})*)\}}'
    if rest := re.sub(item, '', text).split():
        raise ValueError(f'{path} is no label map of items with a name and an id: {" ".join(rest[:5])}')
    names = {}
    for content in re.findall(item, text):
        fields = dict(re.findall(rf'(\w+)\s*:\s*({QUOTED}|[^\s,;]+)', content))
        name, number = fields.get('name', ''), fields.get('id', fields.get('label_id', ''))
        if not name[1:-1].strip() or not number.isdecimal() or not re.fullmatch(QUOTED, name):
            raise ValueError(
                f'{path}: an item needs a name in quotes and a whole number as id: {" ".join(content.split())}'
            )
        names[int(number)] = re.sub(r'\\(.)', r'\1', name[1:-1])
    return names
