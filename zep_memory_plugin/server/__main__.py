"""`python -m zep_memory_plugin.server`: serves the REST API of Zep's open-source server."""

from .commands import main

if __name__ == "__main__":
    main()
