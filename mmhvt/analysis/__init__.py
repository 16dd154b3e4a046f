"""What the tools of tools/analysis compute, as functions."""
