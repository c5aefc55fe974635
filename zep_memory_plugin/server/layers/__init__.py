"""What every request passes on its way to a route, from the outside in: `envelope`, `paths`, `access`, `sizes`."""
