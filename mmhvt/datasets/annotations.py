"""Reader of annotation files from any editor, spreadsheet or system, as long as the meaning of lines is unambiguous."""

import codecs
import csv
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mmengine.fileio import get

from mmhvt.utils.files import require_file

from .folders import does_not_exist

_BOMS = (
    (codecs.BOM_UTF8, 'utf-8'),
    (codecs.BOM_UTF32_LE, 'utf-32-le'),  # before UTF-16, since it begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, 'utf-32-be'),
    (codecs.BOM_UTF16_LE, 'utf-16-le'),
    (codecs.BOM_UTF16_BE, 'utf-16-be'),
)
# a list in test mode may contain any text
_OTHER = re.compile(r'\s*(<!doctype\b|<html\b|<\?xml\b|\{\s*"|\[\s*["[{])', re.IGNORECASE)
_NEWLINE = r'\r\n|\r|\n'
# including those of Japanese and Chinese keyboards
_DIGIT = '[0-9０-９]'
_LABEL = rf'\+?{_DIGIT}+'
_LABELS = rf'\[?\s*{_LABEL}(?:[,;\s]+{_LABEL})+\s*\]?'
_NUMBER = rf'[+-]?(?:{_DIGIT}+\.?{_DIGIT}*|\.{_DIGIT}+)(?:[eE][+-]?{_DIGIT}+)?'
_VIDEO = r'\.(?:3gp|asf|avi|flv|gif|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|ogv|ts|vob|webm|webp|wmv)'
_ENDS_AS_VIDEO = re.compile(rf'.*{_VIDEO}', re.IGNORECASE | re.DOTALL).fullmatch
# 'clip_path', 'Video Name', 'id'
_COLUMN = r'(?:[^\W_]+[ _-]+)*(?:\w*path|file|\w*file_?name|video|clip|folder|dir|frame_?dir|frames|name|\w*id)s?'


@dataclass(frozen=True)
class Line:
    """A line of an annotation file.

    Attributes:
        fields: Fields without quotes and surrounding spaces.
        file: Path of the file.
        number: Number of the line, from 1.
        text: Text of the line.
        delimiter: Delimiter between the fields; ' ' means spaces and tabs.
    """

    fields: list[str]
    file: str
    number: int
    text: str
    delimiter: str

    @property
    def where(self) -> str:
        """File, number and text of the line, for messages."""
        text = self.text if len(self.text) < 300 else f'{self.text[:300]}…'
        return f'{self.file}, line {self.number}: {text!r}'


def read_text(path: str) -> str:
    """Reads the text of an annotation file in UTF-8, or in the encoding of its byte order mark.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not text. The message names file and line.
    """
    try:
        if os.path.exists(path):  # it may not be on a disk
            require_file(path)
        content = bytes(get(path))
    except FileNotFoundError:
        remedy = 'set ann_file, which is relative to data_root if that is given'
        raise FileNotFoundError(does_not_exist('annotation file', path, remedy)) from None
    except (OSError, ValueError) as error:  # a NUL byte in its name
        raise ValueError(f'{path} cannot be read as an annotation file: {error}') from None
    mark, encoding = next(((mark, name) for mark, name in _BOMS if content.startswith(mark)), (b'', 'utf-8'))
    content = content[len(mark) :]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        number = len(re.split(_NEWLINE, content[: error.start].decode(encoding, 'replace')))
        raise ValueError(
            f'{path} cannot be read as an annotation file: line {number} is not {encoding.upper()} '
            f'(byte 0x{content[error.start]:02x}); convert it with iconv -f ENCODING -t UTF-8 {path}, where ENCODING '
            'is the one it was saved in, such as LATIN1'
        ) from None
    if '\0' in text:
        number = len(re.split(_NEWLINE, text[: text.index('\0')]))
        raise ValueError(
            f'{path} cannot be read as an annotation file: line {number} has NUL bytes. Either it is not text, or it '
            f'is UTF-16 without a byte order mark, which iconv -f UTF-16LE -t UTF-8 {path} converts'
        )
    if other := _OTHER.match(text):
        kind = 'JSON' if other[0][-1] in '"[{' else 'a web page or XML'
        raise ValueError(f'{path} cannot be read as an annotation file: it is {kind}, but needs a line for each sample')
    # concatenated lists have a mark at the start of each
    text = re.sub(rf'(^|{_NEWLINE})\ufeff+', r'\1', text)
    # DOS ended files with Ctrl-Z
    return re.sub(r'\x1a\s*$', '', text)


def read_lines(
    path: str,
    delimiter: str | None = ' ',
    labels: str = 'ignored',
    multi_class: bool = False,
    columns: int = 1,
    are_columns: Callable[[list[str]], bool] = lambda fields: True,
) -> list[Line]:
    """Reads the lines of an annotation file, without empty lines and the header.

    docs/guides/bad_input.md#annotation-files has the rules. A line that breaks them is returned as it is, so that the
    dataset can name it in an error.

    Args:
        path: Path of the file.
        delimiter: Delimiter between fields. By default, ' ', it is detected: spaces and tabs, a tab, a comma or a
            semicolon.
        labels: 'required', 'optional' or 'ignored'. Defaults to 'ignored'.
        multi_class: Whether a line may have several labels. Defaults to False.
        columns: Number of fields before the labels: the path and others that the dataset needs. Defaults to 1.
        are_columns: Function that returns whether these fields are valid. Defaults to always.

    Returns:
        list[Line]: At least one line.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not text or is empty. The message names file and line.
    """
    texts = [(i, text.strip()) for i, text in enumerate(re.split(_NEWLINE, read_text(path)), 1) if text.strip()]
    delimiter = ' ' if delimiter is None else delimiter
    chosen = delimiter == ' '

    def fits(fields: list[str]) -> bool:
        given = fields[columns:]
        return (
            len(fields) >= columns
            and (not chosen or _is_path(fields[0]))
            and are_columns(fields[:columns])
            and all(map(is_label, given))
            and (multi_class or len(given) <= 1)
            and (bool(given) or (columns > 1 and labels != 'required'))
        )

    def split(delimiter: str) -> tuple[tuple[int, bool, int], bool, list[Line]]:
        """Returns how well a delimiter fits, whether it fits all lines, and the lines."""
        found = [Line(_split(text, delimiter, columns), path, i, text, delimiter) for i, text in texts]
        fit = [fits(line.fields) for line in found]
        enough = sum(len(line.fields) > columns and _is_path(line.fields[0]) for line in found)
        is_path_alone = delimiter == ' ' and columns == 1 and labels != 'required'
        if is_header := bool(found) and not fit[0] and _is_header(found, sum(fit), is_path_alone):
            found, fit = found[1:], fit[1:]
        return (sum(fit), is_header, enough), all(fit), found

    layouts: list[tuple[tuple[int, bool, int], bool, list[Line]]] = []
    for one in ' \t,;' if chosen else [delimiter]:
        if not layouts or any(one in text for _, text in texts):
            layouts.append(split(one))
        if layouts[-1][1]:
            break
    (fitting, is_header, _), fit, lines = max(layouts, key=lambda layout: layout[0])
    if chosen and columns == 1 and not fit and labels != 'required' and not (is_header and lines[0].delimiter != ' '):
        lines = _whole_paths(lines, labels == 'ignored', fitting, multi_class)
    if not lines:
        raise ValueError(f'annotation file {path} is empty: it needs a line with path and label for each video')
    if nameless := [line for line in lines if not line.fields[0]]:
        raise ValueError(f'{nameless[0].where} has no path')
    return lines


def _whole_paths(lines: list[Line], are_ignored: bool, fitting: int, multi_class: bool) -> list[Line]:
    """Treats lines as paths, which may contain spaces and commas, unless they have labels that are not ignored."""
    paths, tails = zip(*(_split_path(line.text, multi_class) for line in lines), strict=True)
    if not are_ignored and (fitting or any(tails)):
        return lines
    lines = [replace(line, fields=[path]) for line, path in zip(lines, paths, strict=True)]
    return lines[_heads_paths(paths) :]


def _split(text: str, delimiter: str, columns: int) -> list[str]:
    """Splits a line. Fields before the labels may be empty, and a field may contain several labels ('1,2')."""
    # no-break spaces before numbers, copied from a web page
    if '\xa0' in text:
        text = re.sub(r'\xa0+(?=[\s\d.,;+]*$)', ' ', text)
    if delimiter == ' ' and '"' not in text:
        fields = re.split('[ \t]+', text)
    elif delimiter == ' ':
        found = re.findall(r'(?:^|(?<=[ \t]))"((?:[^"]|"")+)"(?=[ \t]|$)|([^ \t]+)', text)
        fields = [quoted.replace('""', '"') or plain for quoted, plain in found]
    elif len(delimiter) == 1 and len(text) <= csv.field_size_limit():
        reader = csv.reader(
            [text],
            delimiter=delimiter,
            skipinitialspace=True,
            # an unclosed quote is part of the path
            quoting=csv.QUOTE_NONE if text.count('"') % 2 else csv.QUOTE_MINIMAL,
        )
        fields = next(reader)
    else:
        fields = text.split(delimiter)
    fields = [field.strip() for field in fields]
    fields = fields[:columns] + [label for field in fields[columns:] for label in _labels(field)]
    while len(fields) > 1 and not fields[-1]:
        fields.pop()
    return fields


def _labels(field: str) -> list[str]:
    return re.findall(_LABEL, field) if re.fullmatch(_LABELS, field) else [field] * bool(field)


def _split_path(text: str, multi_class: bool) -> tuple[str, str]:
    """Splits a line that no delimiter fits into a path and the rest, such as labels."""
    if quoted := re.match(r'"((?:[^"]|"")+)"\s*(?:$|[\s,;])', text):
        return quoted[1].replace('""', '"').strip(), text[quoted.end() :].strip(' \t,;')
    if text[0] in ',;':  # an empty column of a spreadsheet
        return '', text
    text = text.rstrip(' \t,;')
    if _ENDS_AS_VIDEO(text):
        return text, ''
    times = '+' if multi_class else ''
    behind = (
        rf'(.*{_VIDEO})[\s,;]+(.*)',
        r'([^\t]+?)\s*\t(.*)',
        rf'(.*?)(\s*[,;]\s*"?{_NUMBER}"?)',
        rf'(.*?)((?:\s+{_LABEL}|\s+-\d+){times})',
    )
    found = next(filter(None, (re.fullmatch(one, text, re.IGNORECASE) for one in behind)), None)
    return (found[1], found[2]) if found else (text, '')


def _is_path(field: str) -> bool:
    """Whether a field is only a path, without another delimiter and a label."""
    if not re.search(r'[\s,;]', field):
        return bool(field)
    return bool(_ENDS_AS_VIDEO(field)) or not re.search(
        rf'[,;]$|[,;\t]\s*{_LABEL}$|{_VIDEO}[\s,;]', field, re.IGNORECASE
    )


def _is_header(lines: list[Line], fitting: int, is_path_alone: bool) -> bool:
    """Whether the first line, which is not a sample, is a header.

    A header has at least two names, none of which looks like a number or a path. Also, at least half of the other lines
    must be samples, or the first name must be a typical column name. If lines may be paths with spaces, paths of video
    files must follow.
    """
    names, others = lines[0].fields, lines[1:]
    if len(names) < 2 or not all(re.fullmatch(r'[^\W\d][^/\\.,;\t]*', name) for name in names):
        return False
    is_named = re.fullmatch(_COLUMN, names[0], re.IGNORECASE) is not None
    if is_path_alone and not (is_named and re.fullmatch('labels?|class(es)?', names[-1], re.IGNORECASE)):
        # 'video one' may be a path
        return (is_named or 0 < len(others) <= 2 * fitting) and any(map(_ENDS_AS_VIDEO, (o.fields[0] for o in others)))
    return is_named or 0 < len(others) <= 2 * fitting


def _heads_paths(paths: Sequence[str]) -> bool:
    """Whether the first path is the name of a column, since only the others are paths of video files."""
    first, *others = paths
    return bool(others and re.fullmatch(_COLUMN, first, re.IGNORECASE) and all(map(_ENDS_AS_VIDEO, others)))


def is_label(field: str) -> bool:
    """Whether a field is a label, or a number of frames."""
    return re.fullmatch(_LABEL, field) is not None


def is_number(field: str) -> bool:
    """Whether a field is a number, such as seconds."""
    return re.fullmatch(_NUMBER, field) is not None


def parse_labels(line: Line, fields: list[str], num_classes: int | None = None, are_named: bool = False) -> list[int]:
    """Parses the labels of a line.

    Args:
        line: Line, for messages.
        fields: Fields of the labels.
        num_classes: Number of classes of the dataset. Defaults to None, unchecked.
        are_named: Whether this number comes from the names of the dataset's classes. Defaults to False.

    Raises:
        ValueError: If a label is negative, too large, or not an integer. The message names file and line.
    """
    for field in fields:
        if re.fullmatch(r'-\d+', field):
            raise ValueError(f'{line.where} has a negative label: labels start at 0')
        if not is_label(field):
            hint = ''
            if re.fullmatch(r'\d+\.0*', field):
                hint = f': write {field.partition(".")[0]}'
            elif line.fields[0].startswith('#'):
                hint = ': annotation files have no comments'
            raise ValueError(f'{line.where} has a label that is not an integer, {field!r}{hint}')
        check_size(line, field, 'label')
    labels = [int(field) for field in fields]
    if num_classes is not None and labels and max(labels) >= num_classes:
        has, remedy = f'has num_classes={num_classes}', f'set num_classes={max(labels) + 1} for this one'
        if are_named:
            has = f'names {num_classes} classes in its metainfo'
            remedy = 'set metainfo=dict(classes=…) to the names of your classes, or to None for no names'
        raise ValueError(
            f'{line.where} has label {max(labels)}, but the dataset {has}: labels must be from 0 to {num_classes - 1}; '
            f'{remedy}'
        )
    return labels


def check_size(line: Line, number: str, what: str) -> None:
    """Raises a ValueError for a number that is too large for an integer tensor."""
    if len(number.lstrip('+0０')) > 9:
        raise ValueError(f'{line.where} has {what} {number[:40]}: it must be below 1000000000')


def path_of(line: Line, field: str, prefix: str | None) -> str:
    """Joins the prefix of the dataset and a path. Backslashes separate folders, unless a file has such a name.

    Raises:
        ValueError: If the path is on a Windows drive and the system is not Windows. The message names file and line.
    """
    path = field if prefix is None else os.path.join(prefix, field)
    if '\\' in field and os.sep == '/':
        if re.match(r'[A-Za-z]:\\', field):
            raise ValueError(
                f'{line.where} has a path on the Windows drive {field[:2]}: write paths relative to data_root and '
                'data_prefix'
            )
        if not os.path.exists(path):
            return path_of(line, field.replace('\\', '/'), prefix)
    return path
