// What an agent in Node sees of a real bridge: BRIDGE has a policy, CLOSED is a port where nothing listens.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

const { handlers, RecordNotFoundError, serveHandlers } = await import(process.env.PACKAGE);
const { BRIDGE: url, TOKEN: token, CLOSED: closed } = process.env;
const context = { tenant: "acme", region: "aws:eu-west-1", traceparent: `00-${"a1".repeat(16)}-${"b2".repeat(8)}-01` };

async function flaky(answers) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    const answer = answers[seen.length - 1];
    if (answer === undefined) return request.socket.destroy();
    response.writeHead(answer.status ?? 200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close: () => { server.close(); server.closeAllConnections(); } };
}

test("records come back, and a missing one has its own class", async () => {
  const map = handlers({ url, token, context: () => context });
  assert.equal(Object.keys(map).length, 15);
  await map["session.set"]({ id: "n1", value: { id: "n1", text: "\u0000 \ud83d\ude00 \ud800" } });
  assert.deepEqual(await map["session.get"]({ id: "n1" }), { id: "n1", text: "\u0000 \ud83d\ude00 \ud800" });
  await assert.rejects(map["session.update"]({ id: "none", updates: {} }), RecordNotFoundError);
});

test("a denial says what the guard decided", async () => {
  const map = handlers({ url, token, context: { ...context, region: "aws:us-east-1" } });
  await assert.rejects(map["session.get"]({ id: "n1" }), (error) => {
    assert.equal(error.code, "residency");
    assert.equal(error.decision.code, "call_region_forbidden");
    return !error.retryable;
  });
});

test("a wrong token is refused at once", async () => {
  const map = handlers({ url, token: "wrong", context });
  await assert.rejects(map["session.get"]({ id: "n1" }), { code: "unauthenticated", retryable: false });
});

test("a read is made again, with its call id; a write whose answer was lost is not", async () => {
  const busy = { status: 503, type: "urn:storescope:error:backend", retryable: true, maybeApplied: false };
  const server = await flaky([undefined, busy, { result: null }, undefined]);
  const map = handlers({ url: server.url, context });
  assert.equal(await map["session.get"]({ id: "a" }), null);
  assert.deepEqual(server.seen.map((headers) => headers["storescope-attempt"]), ["1", "2", "3"]);
  assert.equal(new Set(server.seen.map((headers) => headers["storescope-call-id"])).size, 1);
  assert.equal(server.seen[0].traceparent, context.traceparent);
  await assert.rejects(map["session.set"]({ id: "a", value: {} }), { maybeApplied: true });
  assert.equal(server.seen.length, 4);
  server.close();
});

test("a write that reached nobody is known not to be applied", async () => {
  const map = handlers({ url: closed, retries: 0 });
  await assert.rejects(map["session.set"]({ id: "a", value: {} }), { retryable: true, maybeApplied: false });
});

test("a call ends after its time", async () => {
  const server = createServer(() => {});
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const map = handlers({ url: `http://127.0.0.1:${server.address().port}`, timeoutMs: 200 });
  await assert.rejects(map["session.get"]({ id: "a" }), { code: "no-answer" });
  server.close();
  server.closeAllConnections();
});

test("own handlers are not served to strangers", async () => {
  assert.throws(() => serveHandlers({}, { port: 0, host: "0.0.0.0" }), /give a token/);
  const { url: own, server } = await serveHandlers({}, { port: 0, token: "t" });
  assert.equal((await fetch(`${own}/v1/info`)).status, 401);
  assert.equal((await fetch(`${own}/v1/info`, { headers: { authorization: "Bearer t" } })).status, 200);
  server.close();
  server.closeAllConnections();
});
