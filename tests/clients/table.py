"""The table in docs/ of what the original's clients were seen to do: written by the tests, from what they saw."""

from collections.abc import Mapping
from pathlib import Path

TABLE = Path(__file__).parents[2] / "docs" / "zep-clients.md"

HEAD = """# What Zep's own clients do here

Each row was judged by the unmodified clients, over HTTP: `zep-python` 1.5.0 and
`@getzep/zep-js` 0.10.0. Written by `tests/clients/test_clients.py`, which fails when it says anything else than it saw;
`ZEP_WRITE_TABLE=1` writes it anew. *Kept* is as in Zep's server 0.27, *mended* was a fault of it, *chosen* is where its
releases disagreed.

| row | what holds | | Python | TypeScript |
| --- | --- | --- | --- | --- |
"""

ROWS = {
    "page_add": ("a session is added with a user and metadata", "kept"),
    "page_update": ("an update merges metadata", "kept"),
    "page_delete": ("deleting a memory deletes the session", "kept"),
    "page_list": ("sessions are listed, 10 from the cursor 0", "kept"),
    "page_list_all": ("all sessions are listed in chunks", "kept"),
    "page_async": ("the same through the async methods", "kept"),
    "s1": ("a new session has null for no metadata, and an id that grows", "kept"),
    "s2": ("a taken id is refused", "kept"),
    "s3": ("so is that of a deleted session, which says what brings it back", "chosen"),
    "s4": ("an unknown user is refused", "kept"),
    "s5": ("an empty id is the client's fault, not the server's", "mended"),
    "s6": ("an unknown or deleted session is not found", "kept"),
    "s7": ("objects are merged at any depth; lists and scalars are replaced", "kept"),
    "s8": ("null is stored, and the key stays", "kept"),
    "s9": ("0, false, an empty text and an empty list overwrite; an empty object does not", "kept"),
    "s10": ("an update with {} only touches", "mended"),
    "s11": ("an update without metadata moves updated_at", "kept"),
    "s12": ("the key system is the server's", "kept"),
    "s13": ("an update of an unknown session is not found", "kept"),
    "s14": ("an update leaves the user as it is", "kept"),
    "s15": ("an update brings a deleted session back", "kept"),
    "s16": ("20 updates at once keep every key", "mended"),
    "m1": ("a write to an unknown session creates it", "kept"),
    "m2": ("messages keep the order in which they came", "kept"),
    "m3": ("a memory is the newest 12 messages", "kept"),
    "m4": ("lastn is the newest N; a negative one is the client's fault", "mended"),
    "m5": ("a summary comes with the messages after it, or with the newest N", "kept"),
    "m6": ("a known uuid gets the new content", "chosen"),
    "m7": ("the uuid of another session is a message of its own", "mended"),
    "m8": ("the uuid of a deleted message stays deleted", "chosen"),
    "m9": ("one bad message keeps its batch out", "kept"),
    "m10": ("the memory of an unknown session is empty", "chosen"),
    "m11": ("a moment that the client gives is stored", "chosen"),
    "m12": ("a write of no messages does nothing", "chosen"),
    "m13": ("a write moves updated_at of its session", "kept"),
    "m14": ("20 first writes at once are all stored", "mended"),
    "m15": ("metadata of a message is merged, its token count stays", "mended"),
    "m16": ("an unknown message is not found", "mended"),
    "m17": ("messages come in numbered pages", "kept"),
    "d1": ("what is deleted is nowhere to be seen", "kept"),
    "d2": ("deleting twice, or the unknown, is not found", "kept"),
    "d3": ("a write after a deletion brings the session back without the old messages", "kept"),
    "d4": ("a purge leaves a session that was brought back, and its new messages", "kept"),
    "d5": ("after a purge an id is free, and no update finds it", "kept"),
    "d6": ("a server purges when it starts", "kept"),
    "l1": ("a listing is in the order of ids, and goes on after one", "kept"),
    "l2": ("each session comes exactly once", "mended"),
    "l3": ("also while sessions are deleted on the way", "kept"),
    "u1": ("users are added, read and changed", "kept"),
    "u7": ("erasing a user erases their sessions at once", "kept"),
    "u8": ("the sessions of a user have ids and an order", "mended"),
    "q": ("search: filters, nested groups, limits, MMR, dates, no query", "mended"),
    "a1": ("without a good token nothing is let in", "kept"),
    "h1": ("the version is taken without a warning", "kept"),
}


SERVED = ("d6", "a1")
"""What only a server can do."""


def table_of(seen: Mapping[str, Mapping[str, str | None]]) -> str:
    """Return the table of what each client was *seen* to do, by client and row: a problem, or None."""
    lines = []
    for row, (holds, how) in ROWS.items():
        cells = ["" if row not in seen[client] else "no" if seen[client][row] else "yes" for client in seen]
        lines.append(f"| {row.upper() if '_' not in row else row} | {holds} | {how} | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"
