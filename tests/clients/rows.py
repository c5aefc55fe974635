"""Runs in an environment of its own, with zep-python 1.5.0: `python rows.py URL`; or `python rows.py DATABASE MODULE`.

MODULE has the same names, and needs no server. Of one that asks for a token, ZEP_API_KEY is one. What `seeds` plants
has to be there.

Each function is a row of the conformance table. Prints a JSON object on each line: its id, and what went wrong or null.
"""

import asyncio
import json
import os
import sys
import time
import traceback
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

warnings.simplefilter("error", Warning)
for kind in (DeprecationWarning, ResourceWarning):
    warnings.simplefilter("ignore", kind)

URL, MODULE = [*sys.argv[1:], "zep_python"][:2]
zep, zep_memory, zep_message, zep_user = (import_module(MODULE + part) for part in ("", ".memory", ".message", ".user"))
APIError, NotFoundError, ZepClient = zep.APIError, zep.NotFoundError, zep.ZepClient
Memory, MemorySearchPayload, Session = zep_memory.Memory, zep_memory.MemorySearchPayload, zep_memory.Session
Message = zep_message.Message
CreateUserRequest, UpdateUserRequest = zep_user.CreateUserRequest, zep_user.UpdateUserRequest

KEY = os.environ.get("ZEP_API_KEY")
client = ZepClient(URL, KEY)
memory, message, user = client.memory, client.message, client.user


def fresh() -> str:
    return uuid.uuid4().hex


def add(session_id: str, *contents: str, **fields: object) -> str:
    messages = [Message(role="human", content=content, **fields) for content in contents]
    return memory.add_memory(session_id, Memory(messages=messages))


def said(session_id: str, lastn: int | None = None) -> list[str]:
    return [message.content for message in memory.get_memory(session_id, lastn).messages]


def refused(kind: type[Exception], call, *arguments, text: str = "") -> None:
    try:
        call(*arguments)
    except kind as error:
        said = str(error)
    else:
        raise AssertionError(f"not refused with {kind.__name__}")
    assert text in said, said


def merged(before: dict, change: dict) -> dict:
    session_id = fresh()
    memory.add_session(Session(session_id=session_id, metadata=before))
    return memory.update_session(Session(session_id=session_id, metadata=change)).metadata


def page_add() -> None:
    user_id, session_id = fresh(), fresh()
    user.add(CreateUserRequest(user_id=user_id))
    memory.add_session(Session(session_id=session_id, user_id=user_id, metadata={"foo": "bar"}))
    session = asyncio.run(ZepClient(URL, KEY).memory.aget_session(session_id))
    assert (session.user_id, session.metadata) == (user_id, {"foo": "bar"})


def page_update() -> None:
    assert merged({"foo": "bar"}, {"bar": "foo"}) == {"foo": "bar", "bar": "foo"}


def page_delete() -> None:
    session_id = fresh()
    add(session_id, "hi")
    assert memory.delete_memory(session_id) == "OK"
    refused(NotFoundError, memory.get_session, session_id)


def page_list() -> None:
    for _ in range(12):
        memory.add_session(Session(session_id=fresh()))
    assert len(memory.list_sessions(limit=10, cursor=0)) == 10


def page_list_all() -> None:
    chunks = list(memory.list_all_sessions(chunk_size=10))
    assert all(len(chunk) <= 10 for chunk in chunks)
    assert any(chunks)


def page_async() -> None:
    async def main() -> None:
        async with ZepClient(URL, KEY) as other:
            session_id = fresh()
            await other.memory.aadd_session(Session(session_id=session_id, metadata={"a": 1}))
            await other.memory.aupdate_session(Session(session_id=session_id, metadata={"b": 2}))
            assert (await other.memory.aget_session(session_id)).metadata == {"a": 1, "b": 2}
            await other.memory.aadd_memory(session_id, Memory(messages=[Message(role="ai", content="x")]))
            assert [m.content for m in (await other.memory.aget_memory(session_id)).messages] == ["x"]
            listed = [s.session_id async for chunk in other.memory.alist_all_sessions(7) for s in chunk]
            assert listed.count(session_id) == 1
            assert len(await other.memory.alist_sessions(limit=10, cursor=0)) == 10
            await other.memory.adelete_memory(session_id)

    asyncio.run(main())


def s1() -> None:
    first, second = (memory.add_session(Session(session_id=fresh())) for _ in range(2))
    assert first.metadata is first.deleted_at is None
    assert second.id > first.id


def s2() -> None:
    session = memory.add_session(Session(session_id=fresh()))
    text = f"session already exists with session_id: {session.session_id}"
    refused(APIError, memory.add_session, Session(session_id=session.session_id), text=text)


def s3() -> None:
    session_id = fresh()
    add(session_id, "hi")
    memory.delete_memory(session_id)
    refused(APIError, memory.add_session, Session(session_id=session_id), text="session already exists")


def s4() -> None:
    refused(APIError, memory.add_session, Session(session_id=fresh(), user_id="nobody"), text="user does not exist")


def s5() -> None:
    refused(ValueError, memory.add_session, Session(session_id=" "))
    assert client.client.post("/sessions", json={"session_id": ""}).status_code == 400


def s6() -> None:
    refused(NotFoundError, memory.get_session, fresh())
    page_delete()


def s7() -> None:
    assert merged({"a": {"b": 1}, "l": [1], "s": 1}, {"a": {"c": 2}, "l": [], "s": 2}) == {
        "a": {"b": 1, "c": 2},
        "l": [],
        "s": 2,
    }


def s8() -> None:
    assert merged({"a": 1}, {"a": None}) == {"a": None}


def s9() -> None:
    new = {"a": 0, "b": False, "c": "", "d": []}
    assert merged({"a": 1, "b": 1, "c": 1, "d": 1, "e": {"f": 1}}, {**new, "e": {}}) == {**new, "e": {"f": 1}}


def s10() -> None:
    assert merged({"a": 1}, {}) == {"a": 1}


def s11() -> None:
    before = memory.add_session(Session(session_id=fresh()))
    assert memory.update_session(Session(session_id=before.session_id)).updated_at > before.updated_at


def s12() -> None:
    assert merged({"system": 1}, {"system": 2, "x": 3}) == {"system": 1, "x": 3}


def s13() -> None:
    session_id = fresh()
    refused(NotFoundError, memory.update_session, Session(session_id=session_id, metadata={"a": 1}))
    refused(NotFoundError, memory.get_session, session_id)


def s14() -> None:
    session_id = fresh()
    memory.add_session(Session(session_id=session_id))
    assert memory.update_session(Session(session_id=session_id, user_id="u", metadata={})).user_id is None


def s15() -> None:
    session_id = fresh()
    memory.add_session(Session(session_id=session_id, metadata={"a": 1}))
    memory.delete_memory(session_id)
    assert memory.update_session(Session(session_id=session_id, metadata={"b": 2})).metadata == {"a": 1, "b": 2}


def at_once(call) -> None:
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(call, range(20)))


def s16() -> None:
    session_id = fresh()
    memory.add_session(Session(session_id=session_id))
    at_once(lambda n: memory.update_session(Session(session_id=session_id, metadata={f"k{n}": n})))
    assert memory.get_session(session_id).metadata == {f"k{n}": n for n in range(20)}


def m1() -> None:
    session_id = fresh()
    assert add(session_id, "hi") == "OK"
    session = memory.get_session(session_id)
    assert session.metadata is session.user_id is None


def m2() -> None:
    session_id = fresh()
    add(session_id, "a", "b")
    add(session_id, "c")
    messages = memory.get_memory(session_id).messages
    assert [m.content for m in messages] == ["a", "b", "c"]
    assert messages[0].created_at == messages[1].created_at


def m3() -> None:
    session_id = fresh()
    add(session_id, *map(str, range(30)))
    assert said(session_id) == list(map(str, range(18, 30)))


def m4() -> None:
    session_id = fresh()
    add(session_id, *map(str, range(30)))
    assert said(session_id, 3) == ["27", "28", "29"]
    assert len(said(session_id, 40)) == 30
    assert len(said(session_id, 0)) == 12
    refused(APIError, memory.get_memory, session_id, -1, text="400")


def m5() -> None:
    remembered = memory.get_memory("python-summarized")
    assert (remembered.summary.content, [m.content for m in remembered.messages]) == ("28 messages", ["28", "29"])
    remembered = memory.get_memory("python-summarized", 20)
    assert remembered.summary.content == "28 messages"
    assert [m.content for m in remembered.messages] == list(map(str, range(10, 30)))


def m6() -> None:
    session_id, known = fresh(), str(uuid.uuid4())
    add(session_id, "old", uuid=known)
    add(session_id, "next")
    add(session_id, "new", uuid=known)
    assert said(session_id) == ["new", "next"]


def m7() -> None:
    one, two, known = fresh(), fresh(), str(uuid.uuid4())
    add(one, "one", uuid=known)
    add(two, "two", uuid=known)
    assert (said(one), said(two)) == (["one"], ["two"])


def m8() -> None:
    session_id, known = fresh(), str(uuid.uuid4())
    add(session_id, "old", uuid=known)
    memory.delete_memory(session_id)
    add(session_id, "new")
    add(session_id, "again", uuid=known)
    assert said(session_id) == ["new"]


def m9() -> None:
    session_id = fresh()
    good, bad = Message(role="human", content="a"), Message(role="human", content="b", uuid="x")
    refused(APIError, memory.add_memory, session_id, Memory(messages=[good, bad]))
    assert said(session_id) == []


def m10() -> None:
    assert said(fresh()) == []


def m11() -> None:
    session_id = fresh()
    add(session_id, "hi", created_at="2020-01-01T00:00:00Z")
    assert memory.get_memory(session_id).messages[0].created_at == "2020-01-01T00:00:00Z"


def m12() -> None:
    session_id = fresh()
    assert memory.add_memory(session_id, Memory(messages=[])) == "OK"
    refused(NotFoundError, memory.get_session, session_id)


def m13() -> None:
    session = memory.add_session(Session(session_id=fresh()))
    add(session.session_id, "hi")
    assert memory.get_session(session.session_id).updated_at > session.updated_at


def m14() -> None:
    session_id = fresh()
    at_once(lambda n: add(session_id, str(n)))
    assert sorted(said(session_id, 40)) == sorted(map(str, range(20)))


def m15() -> None:
    session_id = fresh()
    add(session_id, "hello there", metadata={"a": 1, "system": 1})
    before = memory.get_memory(session_id).messages[0]
    after = message.update_message_metadata(session_id, before.uuid, {"metadata": {"b": 2, "system": 2}})
    assert after.metadata == {"a": 1, "b": 2, "system": 1}
    assert after.token_count == before.token_count > 0
    assert message.get_session_message(session_id, before.uuid).content == "hello there"


def m16() -> None:
    session_id = fresh()
    add(session_id, "hi")
    refused(NotFoundError, message.get_session_message, session_id, str(uuid.uuid4()))
    refused(NotFoundError, message.update_message_metadata, session_id, str(uuid.uuid4()), {"metadata": {"a": 1}})


def m17() -> None:
    session_id = fresh()
    add(session_id, *map(str, range(5)))
    pages = [message.get_session_messages(session_id, limit=2, cursor=page) for page in (1, 2, 3, 4)]
    assert [[m.content for m in page] for page in pages] == [["0", "1"], ["2", "3"], ["4"], []]


def d1() -> None:
    session_id = fresh()
    add(session_id, "hi")
    memory.delete_memory(session_id)
    refused(NotFoundError, memory.get_session, session_id)
    assert said(session_id) == message.get_session_messages(session_id) == []
    assert session_id not in [s.session_id for s in memory.list_sessions()]
    assert memory.search_memory(session_id, MemorySearchPayload(text="hi")) == []


def d2() -> None:
    session_id = fresh()
    refused(NotFoundError, memory.delete_memory, session_id)
    add(session_id, "hi")
    memory.delete_memory(session_id)
    refused(NotFoundError, memory.delete_memory, session_id)


def d3() -> None:
    before = memory.add_session(Session(session_id=fresh(), metadata={"a": 1}))
    add(before.session_id, "old")
    memory.delete_memory(before.session_id)
    add(before.session_id, "new")
    after = memory.get_session(before.session_id)
    assert (after.uuid, after.id, after.created_at, after.metadata) == (
        before.uuid,
        before.id,
        before.created_at,
        before.metadata,
    )
    assert said(before.session_id) == ["new"]


def d4() -> None:
    assert said("python-revived", 40) == ["new"]


def d5() -> None:
    refused(NotFoundError, memory.update_session, Session(session_id="python-purged", metadata={"a": 1}))
    added = memory.add_session(Session(session_id="python-purged"))
    assert added.id > memory.get_session("python-revived").id
    assert said("python-purged") == []


def d6() -> None:
    """The purge at the start of a server is beside its first answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            memory.add_session(Session(session_id="python-deleted"))
        except APIError:
            assert time.monotonic() < deadline, "nothing is purged"
            time.sleep(0.05)
        else:
            return


def l1() -> None:
    ids = [memory.add_session(Session(session_id=fresh())).id for _ in range(3)]
    listed = [s.id for s in memory.list_sessions()]
    assert listed == sorted(listed) == [s.id for s in memory.list_sessions(limit=0)]
    assert [s.id for s in memory.list_sessions(limit=2, cursor=ids[0])] == ids[1:]
    assert memory.list_sessions(cursor=ids[-1]) == []


def gaps() -> None:
    for number in range(30):
        session_id = fresh()
        add(session_id, "hi")
        if number % 3:
            memory.delete_memory(session_id)


def l2() -> None:
    gaps()
    every = [s.session_id for s in memory.list_sessions()]
    for size in (1, 2, 7, 10, 1000):
        assert [s.session_id for chunk in memory.list_all_sessions(size) for s in chunk] == every


def l3() -> None:
    gaps()
    every, seen = [s.session_id for s in memory.list_sessions()], []
    for chunk in memory.list_all_sessions(4):
        seen += [s.session_id for s in chunk]
        memory.delete_memory(chunk[0].session_id)
    assert seen == every


def u1() -> None:
    user_id = fresh()
    assert user.add(CreateUserRequest(user_id=user_id, email="e", metadata={"system": 1})).user_id == user_id
    refused(APIError, user.add, CreateUserRequest(user_id=user_id), text="user already exists with user_id")
    refused(APIError, user.add, CreateUserRequest(user_id=""))
    assert user.get(user_id).email == "e"
    changed = user.update(UpdateUserRequest(user_id=user_id, email="", metadata={"system": 2}))
    assert (changed.email, changed.metadata) == ("e", {"system": 2})
    refused(NotFoundError, user.get, fresh())


def u7() -> None:
    user_id, session_id = fresh(), fresh()
    user.add(CreateUserRequest(user_id=user_id))
    memory.add_session(Session(session_id=session_id, user_id=user_id))
    user.delete(user_id)
    refused(NotFoundError, memory.get_session, session_id)
    refused(NotFoundError, user.delete, user_id)
    user.add(CreateUserRequest(user_id=user_id))


def u8() -> None:
    user_id = fresh()
    user.add(CreateUserRequest(user_id=user_id))
    names = [fresh() for _ in range(3)]
    for name in names:
        memory.add_session(Session(session_id=name, user_id=user_id))
    memory.delete_memory(names[1])
    listed = user.get_sessions(user_id)
    assert [s.session_id for s in listed] == [names[0], names[2]]
    assert all(s.id for s in listed)
    assert user.get_sessions(fresh()) == []


def q() -> None:
    session_id = fresh()
    add(session_id, "I like Lisbon", metadata={"foo": "bar"})
    add(session_id, "nothing of it", metadata={"foo": "baz"})

    def found(limit: int | None = None, **payload: object) -> list[str]:
        hits = memory.search_memory(session_id, MemorySearchPayload(**payload), limit)
        return [hit.message["content"] for hit in hits]

    assert found(text="Lisbon", limit=1) == ["I like Lisbon"]
    where = {"jsonpath": '$.foo ? (@ == "baz")'}
    assert found(metadata={"where": where}) == ["nothing of it"]
    assert len(found(metadata={"where": {"or": [where, {"and": [{"jsonpath": '$.foo ? (@ == "bar")'}]}]}})) == 2
    assert found(text="Lisbon", search_type="mmr", limit=1) == ["I like Lisbon"]
    assert found(metadata={"end_date": "2020-01-01"}) == []
    refused(APIError, memory.search_memory, session_id, MemorySearchPayload())


def a1() -> None:
    kind = import_module(MODULE + ".exceptions").AuthError
    refused(kind, ZepClient(URL).memory.list_sessions, text="no token found")
    refused(kind, ZepClient(URL, f"{KEY}x").memory.list_sessions, text="token is unauthorized")


def h1() -> None:
    ZepClient(URL, KEY)  # a warning of the client is an error here


def main() -> None:
    rows = [each for name, each in list(globals().items()) if name.rstrip("0123456789") in ROWS or name[:5] == "page_"]
    for row in rows if KEY else [row for row in rows if row not in SERVED]:
        problem = None
        try:
            row()
        except Exception:
            problem = traceback.format_exc(limit=-3)
        print(json.dumps({"row": row.__name__, "problem": problem}), flush=True)


ROWS = ("s", "m", "d", "l", "u", "q", "a", "h")
SERVED = (d6, a1)

if __name__ == "__main__":
    main()
