"""The table of all configs as HTML that reads without JavaScript; zoo.js adds filters, order and commands."""

from collections.abc import Sequence
from html import escape

from .data import DATA, Entry, published

HEADINGS = ('Model', 'Data', 'Input', 'Params, M', 'GFLOPs × views', 'In the paper', 'Weights')
# filters by a choice: key, heading, attribute of an entry
CHOICES = (('family', 'Family'), ('task', 'Task'), ('data', 'Data'), ('input', 'Input'))
SHOWN = 3


def table(entries: Sequence[Entry]) -> str:
    """All rows, with links `zoo:PAGE#ANCHOR` to be resolved."""
    heads = ''.join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    rows = '\n'.join(row(entry) for entry in entries)
    return (
        f'<div class="zoo">{_filters(entries)}'
        f'<div class="zoo-scroll" tabindex="0" role="region" aria-label="All configs">'
        f'<table class="zoo-table"><thead><tr>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table></div></div>'
    )


def row(entry: Entry) -> str:
    """A row: what filters and order need is in its attributes, its commands are in a template."""
    link = f'zoo:{entry.folder}#{entry.anchor}'
    known = dict(
        family=entry.family,
        task=entry.task,
        data=entry.dataset,
        input=entry.size,
        params=entry.params.text if entry.params else '',
        cost='' if entry.cost is None else f'{entry.cost:g}',
        text=' '.join([entry.start, entry.kind, *(file.name or file.file for file in entry.weights)]),
    )
    attributes = ' '.join(f'data-{key}="{escape(value)}"' for key, value in known.items())
    start = f' <span class="zoo-from">from {escape(entry.start)}</span>' if entry.start else ''
    commands = ''.join(
        f'<div>{escape(command.about)}</div><div class="zoo-command"><code>{escape(command.text)}</code></div>'
        for command in entry.commands
    )
    cells = [
        f'<th scope="row"><span class="zoo-model">{escape(entry.model)}</span>{start}'
        f'<a class="zoo-name" href="{link}">{escape(entry.name)}</a>'
        f'<template><div class="zoo-commands">{commands}</div></template></th>',
        f'<td>{escape(entry.dataset)}</td>',
        f'<td data-order="{_pixels(entry)}">{entry.size}</td>',
        _number(entry.params.text if entry.params else '', entry.params.source if entry.params else ''),
        _number(entry.cost_text if entry.flops else '', entry.flops.source if entry.flops else '', known['cost']),
        _number(entry.result.text if entry.result else '', entry.result.source if entry.result else ''),
        f'<td data-order="{len(entry.weights)}">{_weights(entry, link)}</td>',
    ]
    return f'<tr {attributes}>{"".join(cells)}</tr>'


def _number(text: str, source: str, order: str = '') -> str:
    if not text:
        return '<td data-order="">–</td>'
    return f'<td data-order="{order or text.split()[0]}" title="{escape(source)}">{escape(text)}</td>'


def _pixels(entry: Entry) -> int:
    number = int(bool(entry.input))
    for side in entry.input:
        number *= side
    return number


def _weights(entry: Entry, link: str) -> str:
    """Links of the first files, those with a name before others, and how many more the entry has."""
    files = sorted(entry.weights, key=lambda file: not file.name)
    shown = [
        f'<a class="external" href="{escape(file.url)}" title="{escape(file.name or file.file)}">'
        f'{escape(publisher(file))}</a>'
        for file in files[:SHOWN]
    ]
    more = [f'<a href="{link}">{len(files) - SHOWN} more</a>'] if len(files) > SHOWN else []
    return ', '.join(shown + more) or '–'


def publisher(file: published.File) -> str:
    """Who published a file, in a word or two."""
    return file.by or file.publisher


def _filters(entries: Sequence[Entry]) -> str:
    """Controls, which stay hidden where no script runs."""
    values = dict(
        family=dict.fromkeys(entry.family for entry in entries),
        task=dict.fromkeys(entry.task for entry in entries),
        data=dict.fromkeys(sorted((entry.dataset for entry in entries), key=list(DATA.values()).index)),
        input={entry.size: None for entry in sorted(entries, key=_pixels)},
    )
    fields = [
        f'<label>{heading}<select name="{key}"><option value="">all</option>'
        + ''.join(f'<option>{escape(value)}</option>' for value in values[key])
        + '</select></label>'
        for key, heading in CHOICES
    ]
    number = 'type="number" min="0" step="any" inputmode="decimal"'
    fields += [
        f'<label>Parameters (M), at most<input name="params" {number}></label>',
        f'<label>GFLOPs in all, at most<input name="cost" {number}></label>',
        '<label class="zoo-text">Words of models, configs, weights<input name="q" type="search" autocomplete="off">'
        '</label>',
    ]
    return (
        f'<form class="zoo-filters" hidden>{"".join(fields)}<p><output></output> '
        '<button type="reset">Show all</button></p></form>'
    )
