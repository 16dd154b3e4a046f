_base_ = ['default_runtime_image.py']

# masks and skipped blocks differ between GPUs
randomness = dict(seed=0, diff_rank_seed=True)
