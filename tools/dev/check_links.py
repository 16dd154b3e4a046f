"""Checks that links between the repository's Markdown files lead somewhere: files exist, anchors are headings."""

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r'!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)')
FENCE = re.compile(r'^(```|~~~).*?^\1', re.M | re.S)


def anchors(path: Path) -> set[str]:
    """Anchors of a file's headings as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r'^#+\s+(.+?)\s*$', FENCE.sub('', path.read_text()), re.M):
        text = re.sub(r'[`*]|\]\([^)]*\)|!?\[', '', heading).lower()
        kept = (c for c in text if c in ' -_' or unicodedata.category(c)[0] in 'LN')
        name = slug = ''.join(kept).replace(' ', '-')
        number = 0
        while name in found:
            number += 1
            name = f'{slug}-{number}'
        found.add(name)
    return found


def broken(path: Path) -> list[str]:
    """Links of a Markdown file that lead nowhere."""
    text = FENCE.sub('', path.read_text())
    wrong = []
    for link in LINK.findall(text):
        if re.match(r'[a-z]+:', link):  # another site
            continue
        name, _, anchor = link.partition('#')
        target = (path.parent / name).resolve() if name else path
        known = target.exists() and (not anchor or target.suffix != '.md' or anchor in anchors(target))
        wrong += [] if known else [link]
    return wrong


def main() -> int:
    """Print what is broken; the exit status says whether anything is."""
    listed = subprocess.run(['git', 'ls-files', '--cached', '--others', '--exclude-standard', '*.md'],
                            cwd=ROOT, check=True, capture_output=True, text=True)  # fmt: skip
    paths = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    wrong = [f'{path.relative_to(ROOT)}: {link}' for path in paths for link in broken(path)]
    print('\n'.join(wrong) if wrong else f'links of {len(paths)} files lead somewhere')
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
