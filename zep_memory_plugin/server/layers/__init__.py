"""What every request passes, from the outside in: `envelope`, `paths`, `access` or `names`, `sizes`."""
