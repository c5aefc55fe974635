"""The command line, for the tests of importers, too."""

from tests.cli.conftest import command

__all__ = ["command"]
