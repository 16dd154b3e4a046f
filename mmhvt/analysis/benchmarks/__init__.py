"""Speed and memory of our models, beside other implementations in the same process."""
