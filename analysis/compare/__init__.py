"""Two sets of runs against each other: what changed, and whether it is better or worse."""
