"""Our session passes the tests of the OpenAI Agents SDK: of its sessions, and of what its runner does with them."""

from pathlib import Path

import pytest

from tests.upstream.sources import NotAvailable, counts, fetched, ran

SESSIONS = (
    "tests/memory/test_session.py",
    "tests/memory/test_session_limit.py",
    "tests/memory/test_session_context_wrapper.py",
)
WRAPPERS = (
    "tests/extensions/memory/test_encrypt_session.py",
    "tests/memory/test_compaction_model_visibility.py",
    "tests/memory/test_openai_responses_compaction_session.py",
)
RUNNER = (
    "tests/deferred_session_writes",
    "tests/test_max_turns.py",
    "tests/test_native_tool_failure_history.py",
    "tests/test_programmatic_tool_calling.py",
    "tests/test_run_impl_resume_paths.py",
    "tests/test_soft_cancel.py",
    "tests/test_tool_batch_failure_history.py",
    "tests/test_tool_failure_boundaries.py",
)

OF_ITS_CONNECTIONS = (  # they open, break or count connections of `SQLiteSession`, or write into its tables
    "test_encrypted_compaction_skips_unencrypted_stored_history",
    "test_encrypted_pop_authentication_is_atomic_with_concurrent_mutations",
    "test_encrypted_pop_cancellation_waits_for_authentication_rollback",
    "test_encrypted_pop_rechecks_authentication_after_expired_tail",
    "test_encrypted_pop_wrong_key_preserves_recoverable_history",
    "test_encrypted_pop_wrong_key_preserves_row_identity",
    "test_handoff_resume_after_cancelled_compaction_commits",
    "test_settled_clear_failure_invalidates_response_chain",
    "test_settled_pop_failure_invalidates_response_chain",
    "test_sqlite_session_close_closes_worker_thread_connections",
    "test_sqlite_session_close_retries_quarantined_connection",
    "test_sqlite_session_closed_rejects_empty_add_items",
    "test_sqlite_session_closes_retired_connections_before_the_next_allocation",
    "test_sqlite_session_failed_add_items_releases_write_lock",
    "test_sqlite_session_failed_clear_session_rolls_back",
    "test_sqlite_session_failed_pop_item_releases_write_lock",
    "test_sqlite_session_file_lock_is_shared_across_instances",
    "test_sqlite_session_get_items_limit_skips_corrupt_newest_rows",
    "test_sqlite_session_get_items_session_settings_limit_skips_corrupt_rows",
    "test_sqlite_session_keeps_connections_of_live_worker_threads",
    "test_sqlite_session_pop_item_returns_none_after_dropping_only_corrupt_rows",
    "test_sqlite_session_pop_item_skips_corrupt_most_recent",
    "test_sqlite_session_post_commit_cancellation_propagates_after_known_outcome",
    "test_sqlite_session_reaps_connections_from_exited_worker_threads",
    "test_sqlite_session_rollback_failure_evicts_connection",
)
OF_A_NEGATIVE_LIMIT = ("test_encrypted_session_scan_budget_rejects_negative_limit_before_read",)
"""Has SQLite's own meaning there, and is refused here."""

OF_WHAT_EXPIRES = (  # `SQLiteSession` removes what an `EncryptedSession` no longer shows when others are compacted
    "test_automatic_compaction_does_not_reload_unbounded_hidden_history",
    "test_expired_read_overhead_does_not_authorize_hidden_history",
)


@pytest.mark.network
@pytest.mark.timeout(600)
def test_our_session_passes_the_tests_of_the_openai_agents_sdk(tmp_path: Path) -> None:
    """All but those of the insides of `SQLiteSession`, in whose stead ours is."""
    left_out = (*OF_ITS_CONNECTIONS, *OF_A_NEGATIVE_LIMIT, *OF_WHAT_EXPIRES)
    try:
        sources = fetched("openai-agents", tmp_path)
    except NotAvailable as error:
        pytest.skip(str(error))

    done = ran(sources, "stored_openai_sessions", (*SESSIONS, *WRAPPERS, *RUNNER), left_out)

    assert done.returncode == 0, done.stdout
    assert counts(done)["passed"] > 600
