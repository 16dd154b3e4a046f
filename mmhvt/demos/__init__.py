"""Demos: training on generated data from start to end, through mim, as a user would do it."""
