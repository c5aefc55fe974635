"""Conversations on their way: out to files, and in from files and from what other libraries keep.

Here: files, their formats, and in which order what is read and written. Not here: rows in the database, which `core`
reads and stores.
"""

from .exporting import export
from .importing import import_lines
from .ledger import apply_ledger, export_ledger

__all__ = ["apply_ledger", "export", "export_ledger", "import_lines"]
