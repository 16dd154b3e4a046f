"""Annotation files as people have them: of any editor, spreadsheet and system, as long as a line has one meaning."""

import codecs
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from mmengine.fileio import get

_BOMS = (
    (codecs.BOM_UTF8, 'utf-8'),
    (codecs.BOM_UTF32_LE, 'utf-32-le'),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, 'utf-32-be'),
    (codecs.BOM_UTF16_LE, 'utf-16-le'),
    (codecs.BOM_UTF16_BE, 'utf-16-be'),
)
_NEWLINE = r'\r\n|\r|\n'
_LABEL = r'\+?\d+'
_PATHS = {'path', 'paths', 'file', 'filename', 'filenames', 'file_name', 'file_path', 'filepath', 'video', 'videos'} | {
    'video_path', 'video_name', 'video_id', 'frame_dir', 'frames', 'folder', 'name', 'clip',
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of an annotation file.

    Attributes:
        fields: What stands between the delimiters, without spaces around it.
        where: File, number and text of the line, for messages.
        number: From 1.
    """

    fields: list[str]
    where: str
    number: int


def read_text(path: str) -> str:
    """Text of an annotation file: UTF-8, or what a byte order mark says.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no text; names file and line.
    """
    try:
        content = bytes(get(path))
    except FileNotFoundError:
        raise FileNotFoundError(
            f'there is no annotation file {path}: set ann_file, relative to data_root if that is given'
        ) from None
    except OSError as error:
        raise ValueError(f'{path} cannot be read as an annotation file: {error}') from None
    mark, encoding = next(((mark, name) for mark, name in _BOMS if content.startswith(mark)), (b'', 'utf-8'))
    content = content[len(mark) :]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        number = len(re.split(_NEWLINE, content[: error.start].decode(encoding, 'replace')))
        raise ValueError(
            f'{path} cannot be read as an annotation file: line {number} is not {encoding.upper()} '
            f'(byte 0x{content[error.start]:02x}); iconv -f ENCODING -t UTF-8 {path} writes it as such, ENCODING being '
            'what it was saved in, LATIN1 for instance'
        ) from None
    if '\0' in text:
        number = len(re.split(_NEWLINE, text[: text.index('\0')]))
        raise ValueError(
            f'{path} cannot be read as an annotation file: line {number} has NUL bytes. It is no text, or UTF-16 '
            f'without a mark: iconv -f UTF-16LE -t UTF-8 {path} writes that as UTF-8'
        )
    return text


def read_lines(
    path: str, delimiter: str | None = ' ', is_sample: Callable[[list[str]], bool] | None = None
) -> list[Line]:
    """Lines of an annotation file that are not empty.

    Args:
        path: The file.
        delimiter: Between fields. ' ' means any number of spaces and tabs; if no line makes sense that way and all do
            with ',' or ';', it is one of these.
        is_sample: Tells whether fields make sense. A first line that does not, and names columns, is left out.

    Returns:
        At least one line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no text, or empty; names file and line.
    """
    texts = [(i, text) for i, text in enumerate(re.split(_NEWLINE, read_text(path)), 1) if text.strip()]

    def split(delimiter: str | None) -> list[Line]:
        lines = [Line(_fields(text, delimiter), f'{path}, line {i}: {text.strip()!r}', i) for i, text in texts]
        return lines[1:] if lines and _is_header(lines[0], is_sample) else lines

    def fit(lines: list[Line]) -> list[bool]:
        return [is_sample is None or is_sample(line.fields) for line in lines]

    lines = split(delimiter)
    # 'a.mp4, 0' too
    has_commas = all(re.search('[,;]$', line.fields[0]) for line in lines)
    if delimiter in (' ', None) and (has_commas or not any(fit(lines))):
        lines = next((found for found in map(split, ',;') if found and all(fit(found))), lines)
    if not lines:
        raise ValueError(f'annotation file {path} is empty: it needs a line per video, path and label')
    return lines


def _fields(text: str, delimiter: str | None) -> list[str]:
    """Fields of a line; the first may stand in quotes."""
    text = text.strip()
    split = r'[ \t]+' if delimiter in (' ', None) else re.escape(delimiter)
    # a quote inside is written twice, as in CSV
    if quoted := re.match(rf'"((?:[^"]|"")+)"\s*(?:$|{split})', text):
        first, text = [quoted[1].replace('""', '"')], text[quoted.end() :]
    else:
        first = []
    return first + [field.strip() for field in re.split(split, text) if field.strip()]


def _is_header(line: Line, is_sample: Callable[[list[str]], bool] | None) -> bool:
    return (
        is_sample is not None
        and len(line.fields) > 1
        and line.fields[0].casefold() in _PATHS
        and not is_sample(line.fields)
        and all(re.fullmatch('[^\\W\\d][\\w ]*', field) for field in line.fields)
    )


def is_label(field: str) -> bool:
    """Whether a field is a label, or a number of frames."""
    return re.fullmatch(_LABEL, field) is not None


def parse_labels(line: Line, fields: list[str], num_classes: int | None = None) -> list[int]:
    """Labels of a line.

    Args:
        line: For messages.
        fields: Those of the labels.
        num_classes: Of the dataset.

    Raises:
        ValueError: If one is no integer, negative, or too large; names file and line.
    """
    for field in fields:
        if re.fullmatch(r'-\d+', field):
            raise ValueError(f'{line.where} has a negative label: labels count from 0')
        if not is_label(field):
            hint = ''
            if re.fullmatch(r'\d+\.0*', field):
                hint = f': {field.partition(".")[0]} in place of {field} would do'
            elif line.fields[0].startswith('#'):
                hint = ': there are no comments in annotation files'
            raise ValueError(f'{line.where} has a label that is no integer, {field!r}{hint}')
    labels = [int(field) for field in fields]
    if num_classes is not None and labels and max(labels) >= num_classes:
        raise ValueError(
            f'{line.where} has label {max(labels)}, but the dataset has num_classes={num_classes}: '
            f'labels go from 0 to {num_classes - 1}; num_classes={max(labels) + 1} would take this one'
        )
    return labels


def path_of(line: Line, field: str, prefix: str | None) -> str:
    """A path of a line behind the prefix of the dataset. Backslashes of Windows separate folders, unless they are part
    of the name of a file that is there.

    Raises:
        ValueError: If it is on a drive of Windows and this is another system; names file and line.
    """
    path = field if prefix is None else os.path.join(prefix, field)
    if '\\' in field and os.sep == '/':
        if re.match(r'[A-Za-z]:\\', field):
            raise ValueError(
                f'{line.where} has a path on drive {field[:2]} of a Windows machine: write paths relative to data_root '
                'and data_prefix'
            )
        if not os.path.exists(path):
            return path_of(line, field.replace('\\', '/'), prefix)
    return path
