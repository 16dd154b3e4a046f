"""Names of classes from files."""

from pathlib import Path

import pytest

from mmhvt.apis.labels import read_names


@pytest.mark.parametrize(
    'text',
    [
        'item {\n  name: "up {a}"\n  id: 1\n}\nitem {\n  name: "to # \\"b\\""\n  id: 12\n}\n',
        'label {\n  label_id: 1  # the first, and AVA\'s\n  name: "up {a}"\n  label_type: PERSON_MOVEMENT\n}\n'
        'label:{label_id:12 name:\'to # "b"\'}\n',
        '# names\nitem { id: 1, name: "up {a}" } item { id: 12; name: "to # \\"b\\"" display_name: "c" }',
        '\ufeffitem\n{\n\tid: 1\n\tname: "up {a}"\n}\n\nitem\n{\n\tid: 12\n\tname: "to # \\"b\\""\n}',
    ],
)
def test_forms_of_label_maps(tmp_path: Path, text: str) -> None:
    (tmp_path / 'a.pbtxt').write_text(text)
    assert read_names(tmp_path / 'a.pbtxt') == {1: 'up {a}', 12: 'to # "b"'}
    (tmp_path / 'a.txt').write_text(text)
    assert read_names(tmp_path / 'a.txt') == {1: 'up {a}', 12: 'to # "b"'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('item {\n  name: ""\n  id: 1\n}', 'needs a name'),
        ('item { name: " " id: 1 }', 'needs a name'),
        ('item { name: "up" }', 'a whole number'),
        ('item { name: up id: 1 }', 'a name in quotes'),
        ('item { name: "up" id: 1 }\nitem { name: "down"', 'is not a label map'),
        ('up\ndown\n', 'is not a label map'),
        ('', 'has no names of actions'),
    ],
)
def test_bad_label_maps(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / 'a.pbtxt').write_text(text)
    with pytest.raises(ValueError, match=f'a.pbtxt.* {message}'):
        read_names(tmp_path / 'a.pbtxt')
