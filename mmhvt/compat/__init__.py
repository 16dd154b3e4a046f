"""Compatibility of the released OpenMMLab packages with current ones, described in docs/reference/compat.md.

:mod:`.startup` is run by ``mmhvt-compat.pth`` at interpreter start. :mod:`.hook` repairs modules of mim, OpenMMLab and
torchvision while they are imported, :mod:`.repairs` is the table of repairs, :mod:`.late` and :mod:`.mim` contain what
repaired modules call, and ``python -m mmhvt.compat`` (:mod:`.__main__`) reports what works in the environment.
Importing this package imports nothing else.
"""
