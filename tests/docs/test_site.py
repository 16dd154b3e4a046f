"""The built site: links, pictures and navigation; in a browser, what is drawn."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from helpers import ROOT

pytestmark = pytest.mark.slow

MAIN = ['index', 'start/index', 'tutorials/index', 'tutorials/own_videos', 'zoo/index', 'zoo/mvitv2', 'how/index',
        'how/mvitv2', 'guides/index', 'guides/training', 'reference/index', 'reference/backbones',
        'contributing/index', 'faq']  # fmt: skip
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict] = []
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {values[key] for key in ('id', 'name') if values.get(key)}
        if tag == 'a' and values.get('href'):
            self.links.append(values['href'])
        if tag == 'img':
            self.pictures.append(values)


@pytest.fixture(scope='module')
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob('*.html')}


def target(page: Path, link: str) -> tuple[Path, str] | None:
    """File and anchor of a link within the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    return (page.parent / unquote(parts.path)).resolve() if parts.path else page, unquote(parts.fragment)


def test_links_within_the_site_lead_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            if found := target(path, link):
                file, anchor = found
                known = file.is_file() and (not anchor or file.suffix != '.html' or anchor in pages[file].ids)
                wrong += [] if known else [f'{path.relative_to(site)}: {link}']
    assert not wrong


def test_pictures_are_there_and_described(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for picture in page.pictures:
            file = target(path, picture['src'])
            assert file is None or file[0].is_file(), picture['src']
            assert picture.get('alt'), f'{path.name}: {picture["src"]} has no alternative text'


def test_every_page_is_reached_from_the_first(site: Path, pages: dict[Path, Page]) -> None:
    reached, new = set(), {(site / 'index.html').resolve()}
    while new:
        reached |= new
        found = (target(path, link) for path in new for link in pages[path].links)
        new = {file for file, _ in filter(None, found) if file in pages} - reached
    documents = {path for path in pages if path.name not in ('genindex.html', 'search.html', 'py-modindex.html')}
    assert documents - reached == set()


def test_every_page_of_docs_is_built(site: Path) -> None:
    for page in (ROOT / 'docs').rglob('*.md'):
        if '_build' not in page.parts:
            assert (site / page.relative_to(ROOT / 'docs').with_suffix('.html')).is_file(), page


class Silent(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope='module')
def address(site: Path) -> Iterator[str]:
    """Where the site is served: a browser reads no other file from a file, as the search does."""
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Silent, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture(scope='module')
def browser() -> Iterator:
    """Debian's Chromium, or another that is installed."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f'no browser: none of {", ".join(BROWSERS)} is installed (apt-get install chromium)')
    sync_api = pytest.importorskip('playwright.sync_api')
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=['--no-sandbox'])


def visit(browser, url: str, width: int, scheme: str = 'light') -> tuple:
    """The page, and what its console complains of."""
    page, errors = browser.new_page(viewport=dict(width=width, height=900), color_scheme=scheme), []
    page.on('console', lambda message: errors.append(message.text) if message.type == 'error' else None)
    page.on('pageerror', lambda error: errors.append(str(error)))
    page.on('requestfailed', lambda request: errors.append(request.url))
    page.goto(url, wait_until='load')
    return page, errors


@pytest.mark.parametrize('width', [1280, 420])
@pytest.mark.parametrize('name', MAIN)
def test_page_in_a_browser(name, width, address, browser) -> None:
    page, errors = visit(browser, f'{address}/{name}.html', width, 'dark' if width == 420 else 'light')
    assert not errors
    for picture in page.query_selector_all('img'):
        picture.scroll_into_view_if_needed()
    page.wait_for_function('[...document.images].every(image => image.complete)')
    assert page.evaluate('[...document.images].filter(i => !i.naturalWidth).map(i => i.src)') == []
    assert page.evaluate('document.documentElement.scrollWidth') <= width, 'scrolls sideways'
    if width == 1280:
        wide = """[...document.querySelectorAll('.highlight-python pre, .highlight-bash pre')]
            .filter(block => block.scrollWidth > block.clientWidth).map(block => block.innerText)"""
        assert page.evaluate(wide) == [], 'code that does not fit its column'
    page.close()


def test_navigation(address, browser) -> None:
    """From the first page to each section by a click, and to the page of a search for a config's name."""
    page, errors = visit(browser, f'{address}/index.html', 1400)
    sections = page.eval_on_selector_all('.sidebar-tree .toctree-l1 > a', 'links => links.map(link => link.innerText)')
    assert sections == ['Get started', 'Tutorials', 'Model zoo', 'How it works', 'Guides', 'Reference',
                        'Contributing', 'FAQ']  # fmt: skip
    for section in sections:
        page.click(f'.sidebar-tree .toctree-l1 > a:text-is("{section}")')
        page.wait_for_load_state('load')
        assert section in page.inner_text('h1')
        current = page.inner_text('.sidebar-tree .current-page > a')
        assert current == section
    assert not errors
    page.close()


def test_search_for_a_config_ends_at_its_family(address, browser) -> None:
    name = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb'
    page, errors = visit(browser, f'{address}/search.html?q={name}', 1280)
    page.wait_for_selector('#search-results li a')
    found = page.eval_on_selector_all('#search-results li a', 'links => links.map(link => link.getAttribute("href"))')
    assert any('zoo/mvitv2.html' in link for link in found) and not errors
    page.close()
