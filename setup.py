"""Builds mmhvt: the package, the ``.mim`` folder that mim looks in, and mmhvt-compat.pth."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding='utf-8')


def requirements(name: str) -> list[str]:
    """Requirement specifiers of requirements/<name>.txt."""
    lines = (line.split('#')[0].strip() for line in read(f'requirements/{name}.txt').splitlines())
    return [line for line in lines if line]


class BuildPy(build_py):
    """Adds what is no module: mmhvt-compat.pth always, ``.mim`` to plain wheels.

    In an editable install the links in mmhvt/.mim serve.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            # setuptools packs an editable wheel from this folder, not from build_lib
            root = Path(self.get_finalized_command('install').install_lib)
        else:
            root = Path(self.build_lib)
            self.copy_mim(root / 'mmhvt/.mim')
        # A .pth runs line by line. The source itself goes in rather than an import of it: then nothing of
        # mmhvt is imported before a program asks for mmaction, and nothing breaks if mmhvt is half removed.
        root.mkdir(parents=True, exist_ok=True)
        source = read('mmhvt/compat/startup.py')
        (root / 'mmhvt-compat.pth').write_text(f'import sys; exec({source!r}, {{}})\n', encoding='ascii')

    def copy_mim(self, folder: Path) -> None:
        """Copy what mim reads; tools/dev serves work on the repository alone."""
        shutil.rmtree(folder, ignore_errors=True)
        ignore = shutil.ignore_patterns('__pycache__', 'dev')
        for name in ('configs', 'tools'):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        shutil.copy2(ROOT / 'model-index.yml', folder)


EXTRAS = {'mim': 'mminstall', 'optional': 'optional', 'export': 'export', 'tests': 'tests', 'docs': 'docs'}

setup(
    name='mmhvt',
    # not imported: a build has none of mmhvt's dependencies
    version=re.search(r"__version__ = '(.+)'", read('mmhvt/version.py'))[1],
    description='Hierarchical video transformers for OpenMMLab',
    long_description=read('README.md'),
    long_description_content_type='text/markdown',
    license_expression='Apache-2.0',
    license_files=['LICENSE'],
    keywords='computer vision, video understanding, action recognition, transformer, OpenMMLab',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in (10, 11, 12)),
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['mmhvt', 'mmhvt.*']),
    include_package_data=False,
    package_data={
        'mmhvt.analysis': ['*.yaml'],
        'mmhvt.datasets': ['*.csv'],
        'mmhvt.datasets.labels': ['*.txt', '*.md'],
    },
    install_requires=requirements('runtime'),
    extras_require={
        'all': sorted({spec for name in EXTRAS.values() for spec in requirements(name)}),
        **{extra: requirements(name) for extra, name in EXTRAS.items()},
    },
    cmdclass={'build_py': BuildPy},
    zip_safe=False,
)
