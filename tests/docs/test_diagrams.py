"""docs/how: its diagrams (docs/_ext/diagrams), tables of shapes, equations, names and examples."""

import ast
import contextlib
import importlib
import io
import itertools
import math
import re
from types import ModuleType
from xml.etree import ElementTree

import pytest
import torch
from latex2mathml.converter import convert
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from helpers import ROOT
from mmhvt.registry import MODELS

PAGES = sorted((ROOT / 'docs/how').glob('*.md'))
PAPERS = ['mvit', 'mvitv2', 'smvit', 'video_swin', 'uniformerv2']
TEXTS = {page.stem: page.read_text() for page in PAGES}
USED = [name for text in TEXTS.values() for name in re.findall(r'^```\{diagram\} ([\w-]+)$', text, re.M)]
CSS = (ROOT / 'docs/_static/diagrams.css').read_text()
SVG = '{http://www.w3.org/2000/svg}'


@pytest.fixture(scope='module')
def diagrams():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'docs/_ext')
        yield importlib.import_module('diagrams')


def test_every_diagram_is_on_one_page(diagrams: ModuleType) -> None:
    assert sorted(USED) == sorted(diagrams.DIAGRAMS)


@pytest.mark.parametrize('name', USED)
def test_diagram_follows_the_theme_and_has_a_title(name: str, diagrams: ModuleType) -> None:
    svg = ElementTree.fromstring(diagrams.DIAGRAMS[name]())
    left, top, width, height = map(float, svg.get('viewBox').split())
    assert (left, top, width) == (0, 0, 480) and height > 100
    assert svg.get('role') == 'img' and svg[0].tag == f'{SVG}title' and len(svg[0].text) > 20
    styled = set(re.findall(r'\.(dg-\w+)', CSS))
    for element in svg.iter():
        assert not {'fill', 'stroke', 'style', 'id'} & set(element.attrib)
        if element.tag.removeprefix(SVG) in ('rect', 'path', 'polygon', 'circle', 'text'):
            assert element.get('class') and set(element.get('class').split()) <= styled, element.attrib


def test_colors_are_those_of_the_theme() -> None:
    values = re.findall(r'^\s*(?:fill|stroke):\s*(.+);$', CSS, re.M)
    assert len(values) > 20 and all(re.fullmatch(r'none|var\(--color-[a-z-]+\)', value) for value in values)


def text_boxes(svg: ElementTree.Element) -> dict[str, tuple[float, float, float, float]]:
    """Sides of each line of text, in a font that is wider than most: (left, top, right, bottom)."""
    found = {}
    for number, element in enumerate(svg.iter(f'{SVG}text')):
        size, x, y = (float(element.get(key)) for key in ('font-size', 'x', 'y'))
        weight = 'bold' if element.get('class') == 'dg-strong' else 'normal'
        width = 0.0
        for part in element.iter(f'{SVG}tspan'):
            font = FontProperties('DejaVu Sans', weight=weight, size=float(part.get('font-size', size)))
            width += TextToPath().get_text_width_height_descent(part.text, font, ismath=False)[0]
        x -= {'start': 0.0, 'middle': width / 2, 'end': width}[element.get('text-anchor')]
        found[f'{number} {"".join(element.itertext())}'] = (x, y - 0.75 * size, x + width, y + 0.2 * size)
    return found


@pytest.mark.parametrize('name', USED)
def test_texts_fit_and_do_not_touch(name: str, diagrams: ModuleType) -> None:
    svg = ElementTree.fromstring(diagrams.DIAGRAMS[name]())
    *_, width, height = map(float, svg.get('viewBox').split())
    boxes = text_boxes(svg)
    assert boxes
    for text, (left, top, right, bottom) in boxes.items():
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, text
    rects = [
        [float(rect.get(key)) for key in ('x', 'y', 'width', 'height')]
        for rect in svg.iter(f'{SVG}rect')
        if rect.get('class') in ('dg-box', 'dg-accent')
    ]
    for text, (left, top, right, bottom) in boxes.items():
        x, y = (left + right) / 2, (top + bottom) / 2
        around = [r for r in rects if r[0] < x < r[0] + r[2] and r[1] < y < r[1] + r[3]]
        assert all(r[0] < left and right < r[0] + r[2] for r in around), (text, around)
    for (text, a), (other, b) in itertools.combinations(boxes.items(), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (text, other)


@pytest.mark.parametrize(
    ('page', 'name', 'arch', 'words'),
    [
        ('mvit', 'mvit-stages', 'small', ['3 blocks, 1 head', '128 channels', 'cubes of 3×8×8']),
        ('mvit', 'mvit-attention', 'small', ['6\u202f272 tokens × 256 channels', '1\u202f568 tokens × 256']),
        ('mvitv2', 'mvitv2-attention', 'v2_large', ['25\u202f088 tokens × 144 channels', '6\u202f272 tokens × 288']),
        ('smvit', 'smvit-stages', 'large', ['1152 channels', '36 blocks, global']),
        ('video_swin', 'swin-stages', 'large', ['1536 channels', '18 blocks, 24 heads']),
    ],
)
def test_numbers_are_those_of_the_model(
    page: str, name: str, arch: str, words: list[str], diagrams: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = diagrams.models.MODELS_OF_PAGES
    before = diagrams.DIAGRAMS[name]()
    monkeypatch.setitem(settings, page, settings[page] | dict(arch=arch))
    texts = ' | '.join(text_boxes(ElementTree.fromstring(diagrams.DIAGRAMS[name]())))
    for part in words:
        assert part in texts
        assert part not in before


def test_shifted_pieces_are_the_regions_of_windows(diagrams: ModuleType) -> None:
    grid, window = diagrams.video_swin.GRID, diagrams.video_swin.WINDOW
    shift = tuple(side // 2 for side in window)
    regions = diagrams.video_swin.shifted_regions(grid, window, shift, torch.device('cpu'))
    pieces = sum(len(own.unique()) for own in regions)
    assert f'{pieces} windows' in diagrams.DIAGRAMS['swin-windows']()
    assert f'{len(regions)} windows' in diagrams.DIAGRAMS['swin-windows']()


def build(tmp_path, body: str) -> tuple[str, str]:
    """HTML and warnings of a page."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    (tmp_path / 'index.md').write_text(f'# Page\n\n{body}\n')
    warnings = io.StringIO()
    with docutils_namespace():
        app = Sphinx(
            tmp_path, None, tmp_path / 'out', tmp_path / 'trees', 'html', warning=warnings, status=None,
            confoverrides=dict(extensions=['myst_parser', 'diagrams'], html_static_path=[str(ROOT / 'docs/_static')]),
        )  # fmt: skip
        app.build()
    return (tmp_path / 'out/index.html').read_text(), warnings.getvalue()


def test_directive_draws_within_the_page(tmp_path, diagrams: ModuleType) -> None:
    html, warnings = build(tmp_path, '```{diagram} smvit-units\nUnits in *four* stages.\n```')
    assert not warnings
    figure = re.search(r'<figure class="[^"]*diagram[^"]*".*?</figure>', html, re.S)[0]
    assert diagrams.DIAGRAMS['smvit-units']() in figure and '<em>four</em> stages.' in figure
    assert re.search(r'href="_static/diagrams\.css', html)


def test_unknown_diagram_is_an_error(tmp_path, diagrams: ModuleType) -> None:
    _, warnings = build(tmp_path, '```{diagram} smvit-unit\n```')
    assert "no diagram 'smvit-unit': choose from mvit-stages, " in warnings


@pytest.mark.parametrize('page', PAPERS)
def test_equations_convert(page: str) -> None:
    text = re.sub(r'^```.*?^```$|`[^`\n]*`', '', TEXTS[page], flags=re.M | re.S)
    blocks = re.findall(r'^\$\$(.+?)\$\$$', text, re.M | re.S)
    assert len(blocks) >= 3
    for equation in blocks + re.findall(r'\$([^$\n]+)\$', re.sub(r'\$\$.+?\$\$', '', text, flags=re.S)):
        mathml = convert(equation, display='block')
        ElementTree.fromstring(mathml)
        written = ''.join(ElementTree.fromstring(mathml).itertext())
        assert not set('\\{}&$') & set(re.sub(r'[{}]', '', written) if r'\{' in equation else written), equation


def names_defined(path) -> set[str]:
    """Classes and functions of a file, and methods and attributes of its classes as Class.name."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef):
                    found.add(f'{node.name}.{inner.name}')
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    found.add(f'{node.name}.{inner.attr}')
    return found


@pytest.mark.parametrize('page', PAPERS)
def test_names_are_defined_where_links_lead(page: str) -> None:
    links = re.findall(r'\[`([\w.]+)`\]\(([\w./]+\.py)\)', TEXTS[page])
    assert len(links) >= 8
    defined = {path: names_defined((ROOT / 'docs/how' / path).resolve()) for _, path in links}
    for name, path in links:
        assert name in defined[path], (name, path)
    members = re.findall(r'`([A-Z]\w+\.[a-z_]+)`', re.sub(r'\[`[^`]+`\]\([^)]+\)', '', TEXTS[page]))
    everywhere = {name for names in defined.values() for name in names}
    assert not set(members) - everywhere


def attention_of(page: str, model: torch.nn.Module, last: int, stage) -> str:
    """Queries × keys of the last block of a stage, as the tables have it."""
    block, tokens = model.blocks[last], math.prod(stage.grid)
    if page == 'smvit':
        unit = block.attn.mask_unit
        return f'{tokens // unit} × ({unit} × {unit})' if unit else f'{tokens} × {tokens}'
    if page == 'video_swin':
        window, _ = block.attn.fit(stage.grid, (0, 0, 0))
        return f'{tokens // math.prod(window)} × {math.prod(window)}'
    stride = model.arch.blocks(model.token_grid(model.input_size))[last].kv_pool['stride']
    return f'{tokens} × {math.prod(n // s for n, s in zip(stage.grid, stride, strict=True))}'


@pytest.mark.parametrize('page', ['mvit', 'mvitv2', 'smvit', 'video_swin'])
def test_table_of_stages(page: str, diagrams: ModuleType) -> None:
    settings = diagrams.models.MODELS_OF_PAGES[page]
    with torch.device('meta'):
        model = MODELS.build(settings | dict(out_indices=(0, 1, 2, 3), out_type='featmap'))
        outputs = model(torch.empty(1, 3, *model.input_size))
    rows = []
    for i, (stage, output) in enumerate(zip(diagrams.models.stages(model), outputs, strict=True)):
        grid, shape = ('×'.join(map(str, sides)) for sides in (stage.grid, output.shape[1:]))
        attention = attention_of(page, model, model.last_blocks[i], stage)
        rows.append(f'| {i + 1} | {stage.depth} | {stage.dims} | {stage.num_heads} | {grid} | {attention} | {shape} |')
    assert re.findall(r'^\| \d \|.*\|$', TEXTS[page], re.M) == rows


def test_table_of_masked_pretraining(diagrams: ModuleType) -> None:
    columns = []
    for size, ratio in (((224, 224), 0.6), ((16, 224, 224), 0.9)):
        model = diagrams.models.auto_encoder(size, ratio)
        units = math.prod(model.backbone.unit_grid(size))
        with torch.device('meta'):
            visible = torch.zeros(1, round(units * (1 - ratio) - 0.5), dtype=torch.long)
            stages = model.encode(torch.empty(1, 3, *size), visible)
            prediction, target, _ = model.reconstruct(torch.empty(1, 3, *size), visible)
        assert prediction.shape == target.shape
        first, last = (math.prod(stage.shape[1:-1]) for stage in (stages[0], stages[-1]))
        decoder = model.decoder.pos_embed.joint.shape[1]
        columns.append((units, visible.shape[1], first, last, decoder, '{} × {}'.format(*prediction.shape[1:])))
    table = TEXTS['smvit'].split('| | image 224² | clip 16×224² |\n')[1].split('\n\n')[0].splitlines()[1:]
    assert [tuple(row.split(' | ')[1:]) for row in table] == [(f'{a}', f'{b} |') for a, b in zip(*columns, strict=True)]


def test_table_of_uniformerv2(diagrams: ModuleType) -> None:
    model = diagrams.models.backbone('uniformerv2')
    frames, height, width = model.token_grid(model.input_size)
    tokens, block = 1 + height * width, model.fusion.blocks[0]
    heads = model.blocks[0].attn.num_heads
    with torch.device('meta'):
        (output,) = model(torch.empty(1, 3, *model.input_size))
    local = [i + 1 for i, layer in enumerate(model.blocks) if layer.temporal1 is not None]
    layers, later = f'{local[0]}–{local[-1]}', f'{model.global_layers[0] + 1}–{model.global_layers[-1] + 1}'
    for row in (
        f'| patch embedding | | {frames}×{height}×{width} patches of {model.embed_dims} channels |',
        f'| local UniBlocks | {layers} | {frames} frames × (1 + {tokens - 1}) tokens × {model.embed_dims} |',
        f'| attention of a layer | {layers} | {heads} heads, {tokens} × {tokens} in each frame |',
        f'| channels within LT_MHRA | {layers} | {model.blocks[0].temporal1.value.out_features} |',
        f'| global UniBlocks | {later} | {block.attn.num_heads} heads, 1 × {frames * tokens} |',
        f'| output Z | | {output.shape[1]} |',
    ):
        assert row in TEXTS['uniformerv2'], row


@pytest.mark.parametrize('page', PAPERS)
def test_example_prints_what_the_page_says(page: str) -> None:
    code, printed = re.search(r'```python\n(.*?)```\n\n```\n(.*?)```', TEXTS[page], re.S).groups()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == printed
