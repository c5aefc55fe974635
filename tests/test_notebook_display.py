"""What notebooks and terminals show of sessions, messages and results."""

from datetime import UTC, datetime, timedelta

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.lib.pretty import pretty

from zep_memory_plugin import Message, PurgeReport, SearchResult, Session, SessionManager, Summary, ToolCall, User
from zep_memory_plugin.notebook import activity, load_ipython_extension, progress_bar, show, timeline, to_frame
from zep_memory_plugin.rendering import LONGEST_OPEN, ago

HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)></div></table>&lt;"'"""


def html(item: object) -> str:
    shown = item._repr_html_()  # type: ignore[attr-defined]
    assert isinstance(shown, str)
    return shown


HOSTILE_ITEMS = [
    User(user_id=HOSTILE, first_name=HOSTILE, metadata={HOSTILE: HOSTILE}),
    Session(session_id=HOSTILE, user_id=HOSTILE, metadata={HOSTILE: HOSTILE}),
    Message(role=HOSTILE, name=HOSTILE, content=HOSTILE, metadata={HOSTILE: HOSTILE}),
    Message(role="tool", content=HOSTILE, tool_call_id=HOSTILE),
    Message(role="assistant", tool_calls=[ToolCall(name=HOSTILE, args={HOSTILE: HOSTILE})]),
    Message(role="assistant", tool_calls=[ToolCall(name=HOSTILE, args=HOSTILE)]),
    Message(role="user", content=HOSTILE * 100_000),
    Summary(content=HOSTILE),
    SearchResult(session_id=HOSTILE, message=Message(role="user", content=HOSTILE)),
    SearchResult(session_id=HOSTILE, summary=Summary(content=HOSTILE)),
]


@pytest.mark.parametrize("item", HOSTILE_ITEMS, ids=lambda item: type(item).__name__)
def test_markup_that_was_said_is_text(item: object) -> None:
    """No tag, attribute or entity of a conversation reaches the page."""
    for shown in (html(item), html(show([item]))):  # type: ignore[list-item]
        assert "&lt;script&gt;" in shown
        assert not any(markup in shown for markup in ("<script", "<img", "</table>&", "\"'"))
        assert shown.count("<div") == shown.count("</div")


def test_a_message_is_shown_with_its_number_role_age_and_calls() -> None:
    """Tool calls are folded; the moment stands in the title of the age."""
    moment = datetime.now(UTC) - timedelta(minutes=5, seconds=1)
    call = ToolCall(id="1", name="weather", args={"city": "Łódź"})
    shown = html(
        Message(role="ai", role_type="assistant", content="Let me see.", seq=3, created_at=moment, tool_calls=[call])
    )

    assert "#3 ai" in shown
    assert "5 minutes ago" in shown
    assert moment.isoformat(" ", "seconds") in shown.replace("&#x27;", "'")
    assert "<details><summary" in shown
    assert "calls weather" in shown
    assert "Łódź" in shown


@pytest.mark.parametrize("message", [Message(role="tool", content="42"), Message(role="user", content="x" * 5_000)])
def test_results_of_tools_and_very_long_messages_are_folded(message: Message) -> None:
    assert len(message.content) > LONGEST_OPEN or message.role == "tool"
    assert "<details>" in html(message)


def test_a_line_in_a_terminal_obeys_no_control_character() -> None:
    """Escape sequences, changes of direction and line breaks are shown by name."""
    message = Message(role="user", content="a\x1b[2Jb\u202ec\u2028d\ne" + "x" * 200, seq=1)

    line = pretty(message)

    assert line.startswith("#1 user: a\\x1b[2Jb\\u202ec d e")
    assert len(line) < 120
    assert line.endswith("…")


def test_what_has_no_form_of_its_own_is_shown_as_ever() -> None:
    moment = datetime.now(UTC)
    report = PurgeReport(started_at=moment, finished_at=moment)

    assert report._repr_html_() is None
    assert pretty(report) == repr(report)


def test_a_memory_shows_its_summary_and_messages() -> None:
    with SessionManager("sqlite://") as manager:
        manager.add_memory(
            "s", [Message(role="user", content="Where to?"), Message(role="assistant", content="Lisbon.")]
        )
        manager.add_summary("s", Summary(content="They talked of travel.", seq=1))
        memory = manager.get_memory("s")

    assert pretty(memory).splitlines()[-1] == "#2 assistant: Lisbon."
    assert pretty(memory).splitlines()[0] == "summary up to #1: They talked of travel."
    assert "Summary up to" in html(memory)
    assert html(memory).index("talked of travel") < html(memory).index("Lisbon.")


def test_lists_are_shown_once_the_extension_is_loaded() -> None:
    """Lists of other things stay as they are."""
    shell = InteractiveShell.instance()
    load_ipython_extension(shell)
    formatted = shell.display_formatter.formatters["text/html"]

    assert "<table>" in formatted([Session(session_id="s")])
    assert "border-left" in formatted([Message(role="user", content="a")])
    assert formatted([Message(role="user", content="a"), 1]) is None
    assert formatted([]) is None
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=59), "1 month ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(age: timedelta, words: str) -> None:
    now = datetime.now(UTC)

    assert ago(now - age, now) == words


def test_a_frame_has_a_row_for_each_and_a_column_for_each_field() -> None:
    """Results of a search have the fields of their message."""
    messages = [Message(role="user", content="a", seq=1), Message(role="ai", content="b", seq=2)]

    frame = to_frame(messages)
    found = to_frame([SearchResult(session_id="s", score=0.5, message=messages[0])])

    assert list(frame["content"]) == ["a", "b"]
    assert set(frame.columns) == set(Message.model_fields)
    assert found.loc[0, "content"] == "a"
    assert found.loc[0, "session_id"] == "s"


def test_plots_show_every_session_and_every_day() -> None:
    with SessionManager("sqlite://") as manager:
        manager.add_memory("a", [Message(role="user", content="one"), Message(role="user", content="two")], user_id="u")
        manager.add_memory("b", [Message(role="user", content="three")], user_id="u")
        manager.add_memory("c", [Message(role="user", content="another's")], user_id="v")
        bars = timeline(manager.list_sessions())
        days = activity(manager, "u")

    assert [label.get_text() for label in bars.get_yticklabels()] == ["a", "b", "c"]
    assert len(bars.lines) == 3
    assert {line.get_marker() for line in bars.lines} == {"o"}  # a session of one moment has a dot
    assert bars.get_ylim() == (2.5, -0.5)
    assert sum(patch.get_height() for patch in days.patches) == 3  # type: ignore[attr-defined]


def test_a_long_operation_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with SessionManager("sqlite://") as manager:
        manager.add_memory("a", [Message(role="user", content="one")])
        manager.rebuild_search(progress_bar("index"))
        manager.delete_session("a")
        manager.purge(progress=progress_bar("purge"))

    shown = capsys.readouterr().err
    assert "index" in shown
    assert "purge" in shown
