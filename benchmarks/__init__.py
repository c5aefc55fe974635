"""How fast this package is, beside its peers and beside the bare driver: `python -m benchmarks`."""
