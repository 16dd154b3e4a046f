"""The only room that knows a foreign package's version or defect. docs/compat.md tells users what it does.

:mod:`.startup` is what ``mmhvt-compat.pth`` runs at interpreter start, :mod:`.hook` finds and repairs
modules of mmaction, mmengine and mmpretrain when a program imports them, :mod:`.repairs` is the table of repairs,
and ``python -m mmhvt.compat`` (:mod:`.__main__`) tells what the environment can do.
Importing this package imports nothing else.
"""
