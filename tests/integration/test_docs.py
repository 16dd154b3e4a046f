"""What README and docs name exists: files, links, make targets."""

import re

import pytest
import yaml

from helpers import ROOT

PAGES = [ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'tests/README.md')]
# without the pages that the site writes
PAGES += [ROOT / 'docs/zoo/index.md']
PAGES += [
    page
    for folder in ('docs', 'configs')
    for page in sorted((ROOT / folder).rglob('*.md'))
    if page.parent.name != 'zoo'
]
TARGETS = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_names_what_exists(page, load_tool) -> None:
    text = page.read_text()
    fences = re.findall(r'```(?:bash|shell)\n(.*?)```', text, re.S)
    inline = re.findall(r'`([^`\n]+)`', re.sub(r'```.*?```', '', text, flags=re.S))
    commands = '\n'.join(fences + inline)
    for target in re.findall(r'^make ([a-z-]+)(?: [A-Z]+=\w+)?$', commands, re.M):
        assert target in TARGETS, f'make {target}'
    for path in re.findall(r'(?<![\w/.:])(?:configs|tools|tests|docs|requirements)/[\w./*-]+(?![\w./*<-])', commands):
        assert any(list(folder.glob(path.rstrip('.'))) for folder in (ROOT, page.parent)), path
    assert not load_tool('dev/check_links.py').broken(page)


def test_readme_shows_the_commands_that_ci_runs() -> None:
    commands = (ROOT / 'README.md').read_text()
    for line in (ROOT / '.ci/run').read_text().splitlines():
        if line.startswith('make '):
            assert line in commands, line


def test_workflow_and_hooks_run_what_developers_run() -> None:
    workflow = yaml.safe_load((ROOT / '.github/workflows/ci.yml').read_text())
    job = workflow['jobs']['test']
    setup = (ROOT / 'setup.py').read_text()
    minors = re.search(r'for minor in \(([\d, ]+)\)', setup)[1]
    assert job['strategy']['matrix']['python-version'] == [f'3.{minor}' for minor in minors.split(', ')]
    commands = ' '.join(step.get('run', '') for step in job['steps'])
    assert set(re.findall(r'make ([a-z-]+)', commands)) >= set(
        re.findall(r'^make ([a-z-]+)', (ROOT / '.ci/run').read_text(), re.M)
    )
    tested = (ROOT / 'requirements/tested.txt').read_text().splitlines()
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']
    pinned = {need for hook in hooks for need in hook.get('additional_dependencies', ()) if '==' in need}
    assert pinned and pinned <= set(tested), pinned - set(tested)


def test_broken_links_are_found(tmp_path, load_tool) -> None:
    (tmp_path / 'other.md').write_text('# Some `title`\n# Some title\n')
    page = tmp_path / 'page.md'
    page.write_text('[a](other.md#some-title-1) [b](other.md#no) [c](no.md) [d](https://x.org/y)\n```\n[e](no)\n```\n')
    check_links = load_tool('dev/check_links.py')
    assert check_links.broken(page) == ['other.md#no', 'no.md']
    assert check_links.main() == 0
