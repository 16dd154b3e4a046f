"""What several tests share: reference models, micro models, recipes with small data, runs, comparisons."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / 'tests/data'
