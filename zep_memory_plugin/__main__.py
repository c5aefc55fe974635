"""`python -m zep_memory_plugin` is the command `zep-memory`."""

from .cli import main

main()
