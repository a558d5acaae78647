// Serves handlers from Node: its own, written as agents write them, or those of a bridge.
// Arguments: the compiled package, then `own`, or a bridge's URL and perhaps its token.
const [, , path, what, token] = process.argv;
const { handlers, serveHandlers } = await import(path);

function own() {
  const stores = Object.fromEntries(["session", "message", "part", "sandbox", "setup"].map((name) => [name, new Map()]));
  const map = {};
  for (const [name, store] of Object.entries(stores)) {
    const put = (id, record) => {
      if (store.get(id)?.sessionId !== record.sessionId) store.delete(id); // one that moves goes last in its new list
      store.set(id, record);
    };
    map[`${name}.get`] = async ({ id }) => store.get(id) ?? null;
    map[`${name}.set`] = async ({ id, value }) => void put(id, value);
    map[`${name}.update`] = async ({ id, updates }) => {
      const existing = store.get(id);
      if (!existing) throw new Error(`not found: ${id}`);
      put(id, { ...existing, ...updates });
      return store.get(id);
    };
    map[`${name}.listBySession`] = async ({ sessionId }) =>
      [...store.values()].filter((record) => record.sessionId === sessionId);
  }
  return map;
}

const map = what === "own" ? own() : handlers({ url: what, token, timeoutMs: 60_000 });
const { url, server } = await serveHandlers(map, { port: 0 });
console.log(url);
process.stdin.resume();
process.stdin.on("end", () => {
  server.close();
  server.closeAllConnections();
});
