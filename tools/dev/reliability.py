"""Writes the counts of `make test-faults` into docs/guides/reliability.md.

A test reports by `record_property` its `section`, and how many faults it `tried` and how many were `held`; without
numbers, it is one fault, held if the test passed.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

DOC = Path(__file__).parents[2] / 'docs/guides/reliability.md'
# of modules in which each test is one fault
SECTIONS = {
    'test_config_check_hook': 'E settings of all recipes',
    'test_edit_lists': 'D videos',
    'test_exact_resume_hook': 'B resumed runs that are the run',
    'test_odd_checkpoints': 'B odd checkpoints',
    'test_unreadable_video_hook': 'D videos',
}
TABLE = re.compile(r'(<!-- counts of make test-faults -->\n).*(<!-- end -->\n)', re.DOTALL)


def counts(report: Path) -> dict[str, list[int]]:
    """Reads a JUnit report: tests, faults tried and faults held of each section."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for case in ElementTree.parse(report).iter('testcase'):
        if case.find('skipped') is not None:
            continue
        passed = case.find('failure') is None and case.find('error') is None
        said = {each.get('name'): each.get('value', '') for each in case.iter('property')}
        module = case.get('classname', '').rpartition('.')[2]
        section = said.get('section') or SECTIONS[module]
        tried = int(said.get('tried', 1))
        held = int(said.get('held', tried if passed else 0))
        for at, number in enumerate((1, tried, held)):
            found[section][at] += number
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('report', type=Path, help='what pytest --junitxml wrote')
    report = parser.parse_args().report
    rows = [['Section', 'Tests', 'Tried', 'Held'], ['---', '---:', '---:', '---:']]
    sections = counts(report)
    rows += [[section, *map(str, numbers)] for section, numbers in sorted(sections.items())]
    total = [sum(numbers) for numbers in zip(*sections.values(), strict=True)]
    rows.append(['All', *map(str, total)])
    table = ''.join(f'| {" | ".join(row)} |\n' for row in rows)
    DOC.write_text(TABLE.sub(lambda match: match[1] + table + match[2], DOC.read_text()))
    print(table, end='')


if __name__ == '__main__':
    main()
