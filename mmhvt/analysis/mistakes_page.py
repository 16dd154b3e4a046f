"""The page of :mod:`mmhvt.analysis.mistakes`: one HTML file without scripts, whose text is escaped by Jinja."""

from typing import NamedTuple

from jinja2 import Environment, StrictUndefined


class ClassRow(NamedTuple):
    """Accuracy of a class, and what it is most often taken for."""

    name: str
    samples: int
    accuracy: float
    taken_for: str


class Pair(NamedTuple):
    """A class, the one that it is taken for, how often, and out of how many samples."""

    name: str
    taken_for: str
    times: int
    samples: int


class Mistake(NamedTuple):
    """A sample that is taken for another class.

    Args:
        preview: Path from the page; '' if the sample cannot be read.
        file: Name of the sample's file.
        name: Name of its class.
        taken_for: Name of the class that is predicted.
        scores: Name, score, and whether it is the right class, of the best classes and the right one.
    """

    preview: str
    file: str
    name: str
    taken_for: str
    scores: list[tuple[str, float, bool]]


class Report(NamedTuple):
    """Contents of the page.

    Args:
        config: Path of the config.
        predictions: Path of the predictions.
        samples: Number of samples.
        wrong: Number of mistakes.
        metrics: Accuracies by name.
        names: Names of the classes in the matrix.
        matrix: Counts, a row for each true class; empty if there are too many classes.
        pairs: The most confused classes.
        classes: All classes that have samples.
        mistakes: The worst ones.
    """

    config: str
    predictions: str
    samples: int
    wrong: int
    metrics: dict[str, float]
    names: list[str]
    matrix: list[list[int]]
    pairs: list[Pair]
    classes: list[ClassRow]
    mistakes: list[Mistake]


def render(report: Report) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE).render(report._asdict())


_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Mistakes of {{ predictions }}</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: 3px 9px; text-align: left; border-bottom: 1px solid #ddd; font-weight: normal }
th { color: #666 }
.number { text-align: right; font-variant-numeric: tabular-nums }
.matrix { overflow-x: auto }
.matrix td { text-align: center; border: 1px solid #eee; min-width: 1.6em }
.matrix thead th { writing-mode: vertical-rl; border: 0 }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 1.5em }
.mistakes img { max-width: 100%; max-height: 220px; display: block; background: #eee }
.mistakes p { margin: .3em 0; overflow-wrap: anywhere }
.file { color: #666; font-size: 12px }
.right { color: #17803d; font-weight: 600 }
</style>
</head>
<body>
<h1>Mistakes</h1>
<p class="file">{{ predictions }}, by {{ config }}</p>
<table>
<tr><th>samples</th><th>mistakes</th>{% for name in metrics %}<th>{{ name }}</th>{% endfor %}</tr>
<tr><td class="number">{{ samples }}</td><td class="number">{{ wrong }}</td>
{%- for value in metrics.values() %}<td class="number">{{ '%.4f' % value }}</td>{% endfor %}</tr>
</table>

{% if matrix %}
<h2>Confusion matrix</h2>
<p>A row for each true class, a column for each predicted one. The color is the fraction of the row.</p>
<div class="matrix"><table>
<thead><tr><th></th>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr></thead>
{% for name in names %}
{% set row = matrix[loop.index0] %}
<tr><th>{{ name }}</th>
{%- for count in row %}
<td style="background: rgba(26, 140, 220, {{ '%.2f' % (count / ([row | sum, 1] | max)) }})">{{ count or '' }}</td>
{%- endfor %}</tr>
{% endfor %}
</table></div>
{% endif %}

{% if pairs %}
<h2>Most confused classes</h2>
<table>
<tr><th>class</th><th>taken for</th><th class="number">times</th><th class="number">of samples</th></tr>
{% for pair in pairs %}
<tr><td>{{ pair.name }}</td><td>{{ pair.taken_for }}</td><td class="number">{{ pair.times }}</td>
<td class="number">{{ pair.samples }}</td></tr>
{% endfor %}
</table>
{% endif %}

<h2>Worst mistakes</h2>
{% if mistakes %}
<p>Ordered by how far the score of the wrong class exceeds that of the right one.</p>
<div class="mistakes">
{% for mistake in mistakes %}
<div>
{% if mistake.preview %}
<img src="{{ mistake.preview }}" alt="{{ mistake.file }}">
{% else %}
<p>The clip cannot be read.</p>
{% endif %}
<p><span class="right">{{ mistake.name }}</span> taken for <b>{{ mistake.taken_for }}</b></p>
<table>
{% for name, score, right in mistake.scores %}
<tr><td{% if right %} class="right"{% endif %}>{{ name }}</td><td class="number">{{ '%.3f' % score }}</td></tr>
{% endfor %}
</table>
<p class="file">{{ mistake.file }}</p>
</div>
{% endfor %}
</div>
{% else %}
<p>{{ 'Every sample is recognized.' if not wrong else 'None are shown.' }}</p>
{% endif %}

<h2>Accuracy by class</h2>
<table>
<tr><th>class</th><th class="number">samples</th><th class="number">accuracy</th><th>most often taken for</th></tr>
{% for row in classes %}
<tr><td>{{ row.name }}</td><td class="number">{{ row.samples }}</td>
<td class="number">{{ '%.3f' % row.accuracy }}</td><td>{{ row.taken_for }}</td></tr>
{% endfor %}
</table>
</body>
</html>
"""
