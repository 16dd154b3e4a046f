"""Pages of the documentation, pasted from top to bottom."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from helpers import ROOT


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the code blocks of a page of docs/, in their order."""
    return re.findall(r'^```(\w+)\n(.*?)^```$', (ROOT / 'docs' / page).read_text(), re.S | re.M)


def paste(page: str, folder: Path, replaced: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Writes the Python blocks that begin with `# NAME.py` to `folder`, and runs the bash blocks there, in their order.

    Args:
        page: Name of the page.
        folder: Folder that takes the place of a checkout; it sees tools/ and configs/.
        replaced: Texts of the page, and what takes their place. Defaults to nothing.

    Returns:
        What the commands wrote, by the command of the block.
    """
    for name in ('tools', 'configs'):
        (folder / name).symlink_to(ROOT / name)
    environment = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(ROOT))
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'
    written = {}
    for language, text in blocks(page):
        for old, new in replaced.items():
            text = text.replace(old, new)
        if language == 'python' and (name := re.match(r'# (\w+\.py)\n', text)):
            (folder / name[1]).write_text(text)
        elif language == 'bash':
            done = subprocess.run(
                [shutil.which('bash') or 'bash', '-e', '-o', 'pipefail', '-c', text],
                cwd=folder, env=environment, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, f'{text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}'
            written[text] = done.stdout + done.stderr
    return written
