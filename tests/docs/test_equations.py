"""Equations become MathML."""

import re

import pytest
from latex2mathml.converter import convert

from helpers import ROOT

EQUATIONS = [
    (path.name, equation)
    for path in sorted((ROOT / 'docs').rglob('*.md'))
    for equation in re.findall(r'\$\$(.+?)\$\$', re.sub(r'^```.*?^```', '', path.read_text(), flags=re.S | re.M), re.S)
]


def test_there_are_some() -> None:
    assert {page for page, _ in EQUATIONS} >= {'mvit.md', 'mvitv2.md', 'smvit.md', 'video_swin.md', 'uniformerv2.md'}


@pytest.mark.parametrize('page, equation', EQUATIONS)
def test_every_command_is_known(page, equation) -> None:
    """latex2mathml passes on a command that it does not know as text."""
    assert '\\' not in re.sub(r'<annotation.*?</annotation>', '', convert(equation), flags=re.S)
