"""Our history passes langchain-core's own tests of chat histories and of RunnableWithMessageHistory."""

from pathlib import Path

import pytest

from tests.upstream.langchain_core_histories import ran
from tests.upstream.sources import NotAvailable


@pytest.mark.network
def test_our_history_passes_the_tests_of_langchain_core(tmp_path: Path) -> None:
    try:
        done = ran(tmp_path)
    except NotAvailable as error:
        pytest.skip(str(error))

    assert done.returncode == 0, done.stdout
