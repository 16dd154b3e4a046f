"""Benchmarks beside other code, each measurement in a process of its own."""
