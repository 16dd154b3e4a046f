"""Annotation lists: malformed lines are named."""

from pathlib import Path

import pytest

from helpers.training import dataset_cfg
from mmhvt.datasets import UnreadableVideoError
from mmhvt.registry import DATASETS


@pytest.mark.parametrize(
    'line, message',
    [
        ('b.mp4', 'has 0 labels: it needs a path and one label'),
        ('my b.mp4 1', 'has 2 labels: .*delimiter'),
        ('b.mp4 two', 'has a label that is not an integer'),
        ('b.mp4 1.0', 'has a label that is not an integer'),
        ('b.mp4 -1', 'has a negative label'),
        ('b.mp4 1_0', 'has a label that is not an integer'),
        ('b.mp4 ٣', 'has a label that is not an integer'),
        ('b.mp4 ' + 20 * '9', 'has label 9{20}: it must be below 1000000000'),
        ('b.mp4 ' + 5000 * '9', 'has label 9{40}: it must be below 1000000000'),
        ('b.mp4 4', 'has label 4, but the dataset has num_classes=4: labels must be from 0 to 3; set num_classes=5'),
    ],
)
def test_malformed_lines_are_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'ann.txt').write_text(f'a.mp4 0\n\n{line}\n')
    with pytest.raises(ValueError, match=f'ann.txt, line 3: .*{message}'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', num_classes=4))


@pytest.mark.parametrize(
    'line, message', [('b.mp4', 'has 0 labels'), ('b.mp4 1 x', 'not an integer'), ('b.mp4 1 9', 'label 9')]
)
def test_malformed_lines_of_several_labels(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'ann.txt').write_text(f'a.mp4 0 3\n{line}\n')
    with pytest.raises(ValueError, match=f'ann.txt, line 2: .*{message}'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', multi_class=True, num_classes=4))


def test_good_lines_are_read_as_mmaction_reads_them(tmp_path: Path) -> None:
    (tmp_path / 'one.txt').write_text('a b.mp4,1\n\nc.mp4,0\n')
    one = DATASETS.build(dataset_cfg(tmp_path, 'one.txt', delimiter=','))
    assert [one.get_data_info(i)['label'] for i in range(2)] == [1, 0] and len(one) == 2
    assert one.get_data_info(0)['filename'] == str(tmp_path / 'a b.mp4')
    assert (one.largest_label, one.largest_label_line) == (1, 1)
    (tmp_path / 'many.txt').write_text('a.mp4 0 3\nb.mp4 1\n')
    many = DATASETS.build(dataset_cfg(tmp_path, 'many.txt', multi_class=True, num_classes=4))
    assert many.get_data_info(0)['label'].tolist() == [1, 0, 0, 1]


def test_missing_and_empty_annotation_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='annotation file .*ann.txt does not exist: set ann_file'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))
    (tmp_path / 'ann.txt').write_text('\n')
    with pytest.raises(ValueError, match='annotation file .*ann.txt is empty'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))
    (tmp_path / 'ann.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match='ann.txt cannot be read as an annotation file'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))


@pytest.mark.parametrize(
    ('text', 'kind'), [('{"a.mp4": 0}', 'JSON'), ('[["a.mp4", 0]]', 'JSON'), ('<!DOCTYPE html>\n<html>', 'a web page')]
)
def test_files_that_are_no_lists(text: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / 'ann.txt').write_text(text)
    with pytest.raises(ValueError, match=f'ann.txt cannot be read as an annotation file: it is {kind}'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', test_mode=True))


def test_byte_order_marks_of_joined_lists(tmp_path: Path) -> None:
    """Faults D7: the mark became part of the first name."""
    (tmp_path / 'ann.txt').write_bytes(2 * b'\xef\xbb\xbf' + b'a.mp4 0\n\xef\xbb\xbfb.mp4 1\n')
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))
    assert [dataset.get_data_info(i)['filename'] for i in range(2)] == [
        str(tmp_path / name) for name in ('a.mp4', 'b.mp4')
    ]


def test_names_with_nul(tmp_path: Path) -> None:
    (tmp_path / 'ann.txt').write_bytes(b'a.mp4 0\nb\0.mp4 1\n')
    with pytest.raises(ValueError, match='ann.txt cannot be read as an annotation file: line 2 has NUL bytes'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))
    with pytest.raises(ValueError, match='cannot be read as an annotation file: .*embedded null byte'):
        DATASETS.build(dataset_cfg(tmp_path, 'an\0n.txt'))


@pytest.mark.parametrize('refetch', [-1, 'x', None, 1.5])
def test_max_refetch(refetch: object, tmp_path: Path) -> None:
    """With -1, a training ended without a step and saved what it had begun with."""
    (tmp_path / 'ann.txt').write_text('a.mp4 0\n')
    with pytest.raises((ValueError, TypeError), match=f'VideoDataset: max_refetch={refetch!r} must be'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', max_refetch=refetch))
    with pytest.raises(UnreadableVideoError, match='1 videos in a row are unreadable'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', max_refetch=0))[0]
