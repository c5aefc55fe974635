"""Reading the newest 20 messages of a long session, as the framework's messages."""

from collections.abc import AsyncIterator, Sequence

from .harness import Entry, interleaved, settled
from .peers import AWAITING, BLOCKING, Contender, Entrant
from .places import Kind
from .report import Figure, Goal, Table, named, ratio_goal
from .run import Run, setting
from .workload import SESSION, session_id

SHORT = 100
SHORT_SESSION = session_id(1)


async def measured(run: Run) -> AsyncIterator[Table]:
    """Read on every database, in both colours."""
    for kind in run.places.kinds:
        yield await _table(run, AWAITING, kind, "async")
        yield await _table(run, BLOCKING, kind, "blocking")


async def _table(run: Run, entrants: Sequence[Entrant], kind: Kind, colour: str) -> Table:
    entries: list[Entry] = []
    async with run.contenders(entrants, kind) as contenders:
        for contender in contenders:
            await settled(contender.fill(SHORT_SESSION, SHORT))
            await settled(contender.fill(SESSION, run.scale.session))
            entries += _entries(contender)
        run.places.settle()
        figures = await interleaved(entries, run.scale.rounds)
    title = f"Read the newest 20, session of {run.scale.session:,}, {colour}"
    return Table("read", title, setting(kind), "seconds", figures, _goals(figures, colour))


def _entries(contender: Contender) -> list[Entry]:
    """Return the read of the long session, and for us that of a short one beside it."""
    long = Entry(
        contender.name,
        contender.kind,
        lambda: contender.read_newest(SESSION),
        contender.awaits,
        contender.keeps_order,
    )
    short = Entry(
        _short(contender.name),
        contender.kind,
        lambda: contender.read_newest(SHORT_SESSION),
        contender.awaits,
        contender.keeps_order,
    )
    return [long, short] if contender.kind == "ours" else [long]


def _short(name: str) -> str:
    return f"{name}, session of {SHORT}"


def _goals(figures: Sequence[Figure], colour: str) -> list[Goal]:
    ours = named(figures, "zep_memory_plugin, LangChain") or named(figures, "zep_memory_plugin")
    assert ours is not None
    whole = named(figures, "LangChain SQLChatMessageHistory")
    openai = named(figures, "OpenAI Agents SQLAlchemySession")
    bare = next((figure for figure in figures if figure.kind == "limit"), None)
    return [
        *ratio_goal("times as fast as SQLChatMessageHistory", whole, ours, 1000, at_least=True),
        *ratio_goal("times as fast as OpenAI's session", openai, ours, 2, at_least=True),
        *ratio_goal("to the driver and the framework's constructor", ours, bare, 3),
        *ratio_goal(f"to a session of {SHORT}", ours, named(figures, _short(ours.name)), 1.1),
    ]
