# Every target sets up what it needs; finished steps are skipped.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help base env demo demo-mae demo-ava demo-coco demo-image demo-export evidence test test-thorough test-faults lint format recipes docs lock

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

base:
	@$(PYTHON) tools/dev/make_env.py

env: ## .venv with the exact tested versions, mmcv with compiled ops (12 minutes on 2 cores, once per machine)
	@$(PYTHON) tools/dev/make_env.py --ops

demo: base ## generate moving shapes, train and test SMViT on them, draw work_dirs/demo/demo.png
	$(BIN)/python tools/demo/train_demo.py

SEED ?= 0
demo-mae: base ## pre-train SMViT on moving shapes, fine-tune with 40 labels, draw work_dirs/demo-mae/seed0/demo-mae.png (SEED=0)
	$(BIN)/python tools/demo/train_mae_demo.py --seed $(SEED)

demo-ava: env ## generate moving actors in AVA's format, train SMViT to detect their actions, draw work_dirs/demo-ava/seed0/demo-ava.mp4
	$(BIN)/python tools/demo/train_ava_demo.py --seed $(SEED)

demo-coco: env ## generate images of shapes, train a Mask R-CNN with SMViT on them, draw work_dirs/demo-coco/demo-coco.png
	$(BIN)/python tools/demo/train_coco_demo.py

demo-image: base ## write handwritten digits, train MViTv2 and SMViT on them, draw work_dirs/demo-image/demo-image.png
	$(BIN)/python tools/demo/train_image_demo.py

demo-export: base ## export the model of `make demo` to ONNX, recognize its videos without torch and mm*, compare
	$(BIN)/python tools/demo/export_demo.py

# Tests write thousands of small files, and checkpoints wait for the disk: they use memory where there is enough of it.
MEMORY := $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 8000000 ] 2>/dev/null && echo -p /dev/shm)
PYTEST = @tmp=$$(mktemp -d $(MEMORY)) && trap "rm -rf $$tmp" EXIT && TMPDIR=$$tmp OMP_NUM_THREADS=1 \
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist worksteal

PART ?=
evidence: base ## small trainings that show, or fail to show, what the papers claim; PART=shuffling trains one part
	OMP_NUM_THREADS=1 $(BIN)/python tools/analysis/evidence.py $(PART)

test: env lint ## all tests except those of the next two targets, the slow ones last
	$(PYTEST) -m 'not slow and not thorough and not faults'
	$(PYTEST) -m 'slow and not thorough and not faults'

test-thorough: env ## check all of what the slow tests check some of: installations, tools of other packages, trainings, launchers
	$(PYTEST) -m thorough

test-faults: env ## break things on purpose: files, videos, settings, processes; docs/guides/reliability.md has the counts (under an hour)
	$(PYTEST) -m faults --junitxml=work_dirs/faults.xml
	$(BIN)/python tools/dev/reliability.py work_dirs/faults.xml

lint: base ## check style, spelling, links and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python tools/dev/check_links.py
	$(BIN)/python tools/dev/make_recipes.py --check
	$(BIN)/mypy

format: base ## fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

recipes: base ## write READMEs' tables and metafiles from the data behind the recipes
	$(BIN)/python tools/dev/make_recipes.py

docs: env ## build docs/_build/html, warnings are errors
	$(BIN)/python -m sphinx -q -W -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

lock: base ## resolve requirements/tested.in into the exact versions of requirements/tested.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.10 --no-header --no-annotate \
		--override requirements/tested-overrides.txt requirements/tested.in -o requirements/tested.txt
