"""The reference has every class that configs can name, and every function that packages offer."""

import importlib
import re

import pytest
import registries

import mmhvt.registry
from helpers import ROOT

PAGES = {path.name: path.read_text() for path in (ROOT / 'docs/reference').glob('*.md')}
COMMENTS = [match.groups() for text in PAGES.values() for match in registries.COMMENT.finditer(text)]


def listed(lines: list[str]) -> set[str]:
    """Names of the directives."""
    return {line.split(':: ')[1] for line in lines if line.startswith('.. auto')}


@pytest.mark.parametrize('registry', mmhvt.registry.__all__)
def test_every_registered_class_is_listed_once(registry) -> None:
    found = [name for kind, of, package in COMMENTS if kind == 'registered' and of == registry
             for name in sorted(listed(registries.registered(of, package or 'mmhvt')))]  # fmt: skip
    everything = {
        f'{cls.__module__}.{cls.__name__}'
        for cls in getattr(mmhvt.registry, registry).module_dict.values()
        if cls.__module__.startswith('mmhvt.')
    }
    assert sorted(found) == sorted(everything)


@pytest.mark.parametrize('module', ['mmhvt.apis', 'mmhvt.export', 'mmhvt.models.layers', 'mmhvt.migrate'])
def test_what_a_package_offers_is_listed(module) -> None:
    assert ('public', module, None) in COMMENTS
    names = {name.rpartition('.')[2] for name in listed(registries.public(module))}
    offered = importlib.import_module(module)
    registered = [cls for name in mmhvt.registry.__all__ for cls in getattr(mmhvt.registry, name).module_dict.values()]
    called = {name for name in offered.__all__ if callable(thing := getattr(offered, name)) and thing not in registered}
    assert called and called <= names


def test_comments_are_replaced() -> None:
    source = ['# Hooks\n\n<!-- registered: HOOKS mmhvt.engine.hooks.compile_hook -->\n']
    registries.fill_in(None, 'hooks', source)
    assert re.findall(r'autoclass:: (.*)', source[0]) == ['mmhvt.engine.hooks.compile_hook.CompileHook']
    assert "``type='mmhvt.CompileHook'``" in source[0] and '<!--' not in source[0]
