"""Generated videos and images, which demos and tests learn from."""
