"""What README and docs name exists: files, links, make targets."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')), *sorted((ROOT / 'configs').rglob('*.md'))]
TARGETS = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_names_what_exists(page):
    text = page.read_text()
    fences = re.findall(r'```(?:bash|shell)\n(.*?)```', text, re.S)
    inline = re.findall(r'`([^`\n]+)`', re.sub(r'```.*?```', '', text, flags=re.S))
    commands = '\n'.join(fences + inline)
    for target in re.findall(r'^make ([a-z-]+)(?: [A-Z]+=\w+)?$', commands, re.M):
        assert target in TARGETS, f'make {target}'
    for path in re.findall(r'(?<![\w/.:])(?:configs|tools|tests|docs|requirements)/[\w./*-]+', commands):
        assert list(ROOT.glob(path.rstrip('.'))), path
    for link in re.findall(r'\]\(([^)#:\s]+)\)', text):
        assert (page.parent / link).exists(), link


def test_readme_shows_the_commands_that_ci_runs():
    commands = (ROOT / 'README.md').read_text()
    for line in (ROOT / '.ci/run').read_text().splitlines():
        if line.startswith('make '):
            assert line in commands, line
