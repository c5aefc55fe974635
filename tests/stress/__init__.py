"""Managers that are disturbed at random, and what is left of what they acknowledged; `python -m tests.stress`."""
