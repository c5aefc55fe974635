"""The OpenAPI description of the server, as schemathesis judges by it, with requests that it makes up."""

import os
import subprocess
from pathlib import Path

import pytest

UV = os.environ.get("UV", "uv")  # is set by `uv run`
SCHEMATHESIS = ["--from", "schemathesis==4.32.5", "--with", "hypothesis==6.170.17"]
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]


def test_every_answer_is_one_that_is_described_and_none_a_fault_of_the_server(url: str, tmp_path: Path) -> None:
    asking = ["st", "run", f"{url}/openapi.json", "--checks", ",".join(CHECKS)]
    bounds = ["--max-examples", "10", "--generation-deterministic", "--suppress-health-check", "all"]

    ended = subprocess.run(
        [UV, "tool", "run", *SCHEMATHESIS, *asking, *bounds, "--no-color"],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        cwd=tmp_path,  # where it leaves a folder of its own
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
