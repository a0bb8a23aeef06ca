"""One loop for every objective; checkpoints, recipes, reports."""
