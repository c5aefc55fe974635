// Runs beside a node_modules with @getzep/zep-js 0.10.0: `node rows.mjs URL`. ZEP_API_KEY is a token of the server,
// on whose database `seeds.py` has planted something.
// Each function is a row of the conformance table. Prints a JSON object on each line: its id, and what went wrong or null.

import { randomUUID as fresh } from "node:crypto";
import assert from "node:assert/strict";
import zep from "@getzep/zep-js";

const { ZepClient, Session, Memory, Message, MemorySearchPayload, APIError, AuthenticationError, NotFoundError } = zep;
const url = process.argv[2];
const warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));
const key = process.env.ZEP_API_KEY;
const client = await ZepClient.init(url, key);
const { memory, message, user } = client;

const session = (session_id, metadata, user_id) => memory.addSession(new Session({ session_id, metadata, user_id }));
const update = (session_id, metadata, user_id) => memory.updateSession(new Session({ session_id, metadata, user_id }));
const numbers = (count) => [...Array(count).keys()].map(String);
const add = (id, contents, fields = {}) =>
  memory.addMemory(id, new Memory({ messages: contents.map((content) => new Message({ role: "human", content, ...fields })) }));
const said = async (id, lastn) => (await memory.getMemory(id, lastn)).messages.map((each) => each.content);
const merged = async (before, change) => {
  const id = fresh();
  await session(id, before);
  return (await update(id, change)).metadata;
};
const walked = async (size) => {
  const seen = [];
  for await (const chunk of memory.listSessionsChunked(size)) seen.push(...chunk.map((each) => each.session_id));
  return seen;
};
const gaps = async () => {
  for (const number of numbers(30)) {
    const id = fresh();
    await add(id, ["hi"]);
    if (number % 3) await memory.deleteMemory(id);
  }
};
const ids = async () => (await memory.listSessions()).map((each) => each.session_id);
const refused = (call, kind = APIError) => assert.rejects(call, (error) => error instanceof kind);

const rows = {
  async page_add() {
    const [user_id, id] = [fresh(), fresh()];
    await user.add({ user_id });
    await session(id, { foo: "bar" }, user_id);
    const stored = await memory.getSession(id);
    assert.deepEqual([stored.user_id, stored.metadata], [user_id, { foo: "bar" }]);
  },
  async page_update() {
    assert.deepEqual(await merged({ foo: "bar" }, { bar: "foo" }), { foo: "bar", bar: "foo" });
  },
  async page_delete() {
    const id = fresh();
    await add(id, ["hi"]);
    assert.equal(await memory.deleteMemory(id), "OK");
    await refused(() => memory.getSession(id), NotFoundError);
  },
  async page_list() {
    for (const _ of numbers(12)) await session(fresh(), {});
    assert.equal((await memory.listSessions(10, 0)).length, 10);
  },
  async page_list_all() {
    for await (const chunk of memory.listSessionsChunked(10)) assert(chunk.length <= 10);
  },
  async s1() {
    const added = await session(fresh());
    assert.deepEqual([added.metadata, added.deleted_at], [null, null]);
  },
  async s2() {
    const id = fresh();
    await session(id);
    await refused(() => session(id));
  },
  async s3() {
    const id = fresh();
    await add(id, ["hi"]);
    await memory.deleteMemory(id);
    await refused(() => session(id));
  },
  s4: () => refused(() => session(fresh(), {}, "nobody")),
  s5: () => assert.rejects(() => session(" ")),
  s6: () => refused(() => memory.getSession(fresh()), NotFoundError),
  async s7() {
    const after = await merged({ a: { b: 1 }, l: [1], s: 1 }, { a: { c: 2 }, l: [], s: 2 });
    assert.deepEqual(after, { a: { b: 1, c: 2 }, l: [], s: 2 });
  },
  s8: async () => assert.deepEqual(await merged({ a: 1 }, { a: null }), { a: null }),
  async s9() {
    const change = { a: 0, b: false, c: "", d: [] };
    const after = await merged({ a: 1, b: 1, c: 1, d: 1, e: { f: 1 } }, { ...change, e: {} });
    assert.deepEqual(after, { ...change, e: { f: 1 } });
  },
  s10: async () => assert.deepEqual(await merged({ a: 1 }, {}), { a: 1 }),
  async s11() {
    const before = await session(fresh());
    assert((await update(before.session_id)).updated_at > before.updated_at);
  },
  s12: async () => assert.deepEqual(await merged({ system: 1 }, { system: 2, x: 3 }), { system: 1, x: 3 }),
  s13: () => refused(() => update(fresh(), { a: 1 }), NotFoundError),
  async s14() {
    const id = fresh();
    await session(id);
    assert.equal((await update(id, {}, "u")).user_id, null);
  },
  async s15() {
    const id = fresh();
    await session(id, { a: 1 });
    await memory.deleteMemory(id);
    assert.deepEqual((await update(id, { b: 2 })).metadata, { a: 1, b: 2 });
  },
  async s16() {
    const id = fresh();
    await session(id, {});
    await Promise.all(numbers(20).map((n) => update(id, { [n]: n })));
    assert.equal(Object.keys((await memory.getSession(id)).metadata).length, 20);
  },
  async m1() {
    const id = fresh();
    assert.equal(await add(id, ["hi"]), "OK");
    assert.equal((await memory.getSession(id)).metadata, null);
  },
  async m2() {
    const id = fresh();
    await add(id, ["a", "b"]);
    await add(id, ["c"]);
    assert.deepEqual(await said(id), ["a", "b", "c"]);
  },
  async m3() {
    const id = fresh();
    await add(id, numbers(30));
    assert.deepEqual(await said(id), numbers(30).slice(18));
  },
  async m4() {
    const id = fresh();
    await add(id, numbers(30));
    assert.deepEqual(await said(id, 3), ["27", "28", "29"]);
    assert.equal((await said(id, 40)).length, 30);
    await refused(() => memory.getMemory(id, -1));
  },
  async m5() {
    const remembered = async (lastn) => {
      const { messages, summary } = await memory.getMemory("typescript-summarized", lastn);
      return [summary.content, messages.map((each) => each.content)];
    };
    assert.deepEqual(await remembered(), ["28 messages", ["28", "29"]]);
    assert.deepEqual(await remembered(20), ["28 messages", numbers(30).slice(10)]);
  },
  async m6() {
    const [id, known] = [fresh(), fresh()];
    await add(id, ["old"], { uuid: known });
    await add(id, ["new"], { uuid: known });
    assert.deepEqual(await said(id), ["new"]);
  },
  async m7() {
    const [one, two, known] = [fresh(), fresh(), fresh()];
    await add(one, ["one"], { uuid: known });
    await add(two, ["two"], { uuid: known });
    assert.deepEqual([await said(one), await said(two)], [["one"], ["two"]]);
  },
  async m8() {
    const [id, known] = [fresh(), fresh()];
    await add(id, ["old"], { uuid: known });
    await memory.deleteMemory(id);
    await add(id, ["new"]);
    await add(id, ["again"], { uuid: known });
    assert.deepEqual(await said(id), ["new"]);
  },
  async m9() {
    const id = fresh();
    await refused(() => add(id, ["a"], { uuid: "x" }));
    assert.deepEqual(await said(id), []);
  },
  m10: async () => assert.deepEqual(await said(fresh()), []),
  async m11() {
    const id = fresh();
    await add(id, ["hi"], { created_at: "2020-01-01T00:00:00Z" });
    assert.equal((await memory.getMemory(id)).messages[0].created_at, "2020-01-01T00:00:00Z");
  },
  async m12() {
    const id = fresh();
    assert.equal(await add(id, []), "OK");
    await refused(() => memory.getSession(id), NotFoundError);
  },
  async m13() {
    const before = await session(fresh());
    await add(before.session_id, ["hi"]);
    assert((await memory.getSession(before.session_id)).updated_at > before.updated_at);
  },
  async m14() {
    const id = fresh();
    await Promise.all(numbers(20).map((n) => add(id, [n])));
    assert.deepEqual((await said(id, 40)).sort(), numbers(20).sort());
  },
  async m15() {
    const id = fresh();
    await add(id, ["hello there"], { metadata: { a: 1, system: 1 } });
    const before = (await memory.getMemory(id)).messages[0];
    const after = await message.updateSessionMessageMetadata(id, before.uuid, { b: 2, system: 2 });
    assert.deepEqual(after.metadata, { a: 1, b: 2, system: 1 });
    assert.equal(after.token_count, before.token_count);
  },
  m16: () => refused(() => message.getSessionMessage(fresh(), fresh()), NotFoundError),
  async m17() {
    const id = fresh();
    await add(id, numbers(5));
    const page = async (cursor) => (await message.getSessionMessages(id, 2, cursor)).map((each) => each.content);
    assert.deepEqual([await page(1), await page(3), await page(4)], [["0", "1"], ["4"], []]);
  },
  async d1() {
    const id = fresh();
    await add(id, ["hi"]);
    await memory.deleteMemory(id);
    assert.deepEqual(await said(id), []);
    assert(!(await ids()).includes(id));
    assert.deepEqual(await memory.searchMemory(id, new MemorySearchPayload({ text: "hi" })), []);
  },
  d2: () => refused(() => memory.deleteMemory(fresh()), NotFoundError),
  async d3() {
    const before = await session(fresh(), { a: 1 });
    await add(before.session_id, ["old"]);
    await memory.deleteMemory(before.session_id);
    await add(before.session_id, ["new"]);
    const after = await memory.getSession(before.session_id);
    assert.deepEqual([after.uuid, after.created_at, after.metadata], [before.uuid, before.created_at, { a: 1 }]);
    assert.deepEqual(await said(before.session_id), ["new"]);
  },
  d4: async () => assert.deepEqual(await said("typescript-revived", 40), ["new"]),
  async d5() {
    await refused(() => update("typescript-purged", { a: 1 }), NotFoundError);
    await session("typescript-purged");
    assert.deepEqual(await said("typescript-purged"), []);
  },
  async d6() {
    const deadline = Date.now() + 60_000; // the purge at the start of a server is beside its first answers
    while (await session("typescript-deleted").then(() => false, () => true)) {
      assert(Date.now() < deadline, "nothing is purged");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  async l1() {
    for (const _ of numbers(3)) await session(fresh());
    const every = await ids();
    const listed = async (...page) => (await memory.listSessions(...page)).map((each) => each.session_id);
    assert.deepEqual([await listed(0), await listed(2, 0)], [every, every.slice(0, 2)]);
    assert.deepEqual(await listed(2, 2 ** 40), []);
  },
  async l2() {
    await gaps();
    const every = await ids();
    for (const size of [1, 2, 7, 10, 1000]) assert.deepEqual(await walked(size), every);
  },
  async l3() {
    await gaps();
    const [every, seen] = [await ids(), []];
    for await (const chunk of memory.listSessionsChunked(4)) {
      seen.push(...chunk.map((each) => each.session_id));
      await memory.deleteMemory(chunk[0].session_id);
    }
    assert.deepEqual(seen, every);
  },
  async u1() {
    const user_id = fresh();
    const asked = { user_id, email: "e" };
    await user.add(asked);
    await refused(() => user.add(asked));
    assert.equal((await user.get(user_id)).email, "e");
  },
  async u7() {
    const [user_id, id] = [fresh(), fresh()];
    await user.add({ user_id });
    await session(id, {}, user_id);
    await user.delete(user_id);
    await refused(() => memory.getSession(id), NotFoundError);
  },
  async u8() {
    const user_id = fresh();
    await user.add({ user_id });
    const names = [fresh(), fresh()];
    for (const name of names) await session(name, {}, user_id);
    assert.deepEqual((await user.getSessions(user_id)).map((each) => each.session_id), names);
  },
  async q() {
    const id = fresh();
    await add(id, ["I like Lisbon"], { metadata: { foo: "bar" } });
    await add(id, ["nothing of it"], { metadata: { foo: "baz" } });
    const search = async (payload, limit) =>
      (await memory.searchMemory(id, new MemorySearchPayload(payload), limit)).map((hit) => hit.message.content);
    assert.deepEqual(await search({ text: "Lisbon" }, 1), ["I like Lisbon"]);
    const where = { jsonpath: '$.foo ? (@ == "baz")' };
    assert.deepEqual(await search({ metadata: { where } }), ["nothing of it"]);
    await refused(() => search({}));
  },
  async a1() {
    await refused(async () => (await ZepClient.init(url)).memory.listSessions(), AuthenticationError);
    await refused(async () => (await ZepClient.init(url, `${key}x`)).memory.listSessions(), AuthenticationError);
  },
  async h1() {
    assert.deepEqual(warnings, []);
  },
};

for (const [row, judged] of Object.entries(rows)) {
  let problem = null;
  try {
    await judged();
  } catch (error) {
    problem = error.stack;
  }
  console.log(JSON.stringify({ row, problem }));
}
