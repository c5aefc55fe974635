"""The clients of Zep need Node, npm and minutes of installing: `.ci/run clients` asks for them."""

import os

collect_ignore = [] if os.environ.get("ZEP_TEST_CLIENTS") else ["test_clients.py"]
