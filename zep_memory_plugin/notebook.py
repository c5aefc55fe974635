"""Conversations in a notebook: lists as HTML, frames, plots, progress bars.

Needs the extra `notebook`; a frame needs pandas too. `%load_ext zep_memory_plugin.notebook` shows the
lists that a manager returns as HTML, as single sessions, messages and results are shown without it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from . import rendering
from .errors import ZepMemoryError
from .manager import SessionManager, manager_of
from .models import Memory, Message, PurgeReport, SearchResult, Session, Summary, User

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

__all__ = ["Shown", "activity", "load_ipython_extension", "progress_bar", "show", "timeline", "to_frame"]

Shown = User | Session | Message | Memory | Summary | SearchResult
"""What is shown as HTML."""


class _Shell(Protocol):
    display_formatter: object


class _Display:
    """HTML that a notebook shows, and the text that a terminal does."""

    def __init__(self, items: Sequence[object]) -> None:
        self._items = items

    def _repr_html_(self) -> str:
        return _html(self._items) or ""

    def __repr__(self) -> str:
        return "\n".join(rendering.of(item, rendering.TEXT) or repr(item) for item in self._items)


def show(*items: Shown | Sequence[Shown]) -> object:
    """Return *items*, and those of lists, in a form that a notebook shows as HTML and a terminal as lines."""
    return _Display([each for item in items for each in (item if isinstance(item, Sequence) else [item])])


def load_ipython_extension(shell: _Shell) -> None:
    """Let *shell* show lists of sessions, messages, users or results as HTML; `%load_ext` calls this."""
    formatters = shell.display_formatter.formatters  # type: ignore[attr-defined]
    formatters["text/html"].for_type(list, _html)


def to_frame(items: Sequence[Shown]) -> "DataFrame":
    """Return a pandas frame with a row for each of *items* and a column for each field, in their order.

    Results of a search have the fields of their message beside score and session_id.

    Raises:
        ZepMemoryError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError:
        raise ZepMemoryError("to_frame needs pandas; install it with: pip install pandas") from None
    return DataFrame([_row(item) for item in items])


def timeline(sessions: Sequence[Session], *, axes: "Axes | None" = None) -> "Axes":
    """Draw a bar for each of *sessions*, from its first to its last moment, the first at the top; a dot for one moment.

    Returns the axes of matplotlib: new ones, or those given as *axes*.
    """
    axes = axes or _axes(height=0.6 + 0.3 * len(sessions))
    for row, session in enumerate(sessions):
        if session.created_at is None:
            continue
        end = session.updated_at or session.created_at
        colour = rendering.COLOURS["other" if session.deleted_at else "user"]
        axes.plot([session.created_at, end], [row, row], "o-", color=colour, lw=6, ms=6, solid_capstyle="round")  # type: ignore[arg-type]
    axes.set_yticks(range(len(sessions)), [rendering.shortened(each.session_id, 30) for each in sessions])
    axes.set_ylim(len(sessions) - 0.5, -0.5)
    return _dated(axes)


def activity(manager: SessionManager, user_id: str, *, axes: "Axes | None" = None) -> "Axes":
    """Draw how many messages the live sessions of *user_id* got on each day, in UTC.

    Returns the axes of matplotlib: new ones, or those given as *axes*.
    """
    days: Counter[date] = Counter()
    for sessions in manager_of(manager).list_all_sessions(user_id=user_id):
        for session in sessions:
            days.update(_days(manager, session.session_id))
    axes = axes or _axes()
    midnights = [datetime(day.year, day.month, day.day) for day in days]
    axes.bar(midnights, list(days.values()), 0.9, color=rendering.COLOURS["user"])  # type: ignore[arg-type]
    axes.set_ylabel("messages")
    axes.locator_params("y", integer=True)
    axes.set_title(rendering.shortened(user_id, 40))
    return _dated(axes)


def _dated(axes: "Axes") -> "Axes":
    """Give *axes* moments in few words below them, and no frame."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    moments = AutoDateLocator()  # type: ignore[no-untyped-call]  # as matplotlib has it
    axes.xaxis.set_major_locator(moments)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(moments))  # type: ignore[no-untyped-call]  # as matplotlib has it
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def progress_bar(title: str) -> Callable[..., None]:
    """Return what a long operation takes as *progress*, and shows as a bar: `rebuild_search(progress_bar("index"))`.

    Takes the number of things done and about how many there are; for a purge, its report so far.
    """
    from tqdm.auto import tqdm

    bar = tqdm(desc=title, unit_scale=True)

    def shown(done: int | PurgeReport, total: int | None = None) -> None:
        bar.total = total
        bar.update((done.rows if isinstance(done, PurgeReport) else done) - bar.n)

    return shown


def _html(items: Sequence[object]) -> str | None:
    """Return *items* as HTML, a table where they are sessions, or None where some of them have none."""
    if items and all(isinstance(item, Session) for item in items):
        return rendering.sessions_html([item for item in items if isinstance(item, Session)])
    parts = [rendering.of(item, rendering.HTML) for item in items]
    return rendering.stacked(part for part in parts if part) if parts and all(parts) else None


def _row(item: Shown) -> dict[str, object]:
    """Return the fields of *item*, those of a result's message or summary beside its own."""
    if isinstance(item, SearchResult):
        content = item.message or item.summary
        return {"score": item.score, "session_id": item.session_id, **(content.model_dump() if content else {})}
    return item.model_dump()


def _axes(height: float = 3.0) -> "Axes":
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(9, height))[1]


def _days(manager: SessionManager, session_id: str) -> Iterator[date]:
    """Yield the day of each message of a session, in UTC, reading a thousand messages at a time."""
    cursor = 0
    while messages := manager.list_messages(session_id, 1_000, cursor):
        yield from (each.created_at.astimezone(UTC).date() for each in messages if each.created_at)
        cursor = messages[-1].seq or cursor
