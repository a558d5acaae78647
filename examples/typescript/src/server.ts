import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { RecordNotFoundError } from "./errors.js";
import { OPERATIONS, type AnyHandler, type Handlers, type Operation } from "./records.js";

export interface ServerOptions {
  /** The port; 0 for any that is free. */
  port: number;
  host?: string;
  /** The token that callers must bring. Without one it listens on the loopback only. */
  token?: string;
}

const MOST_BYTES = 8 * 1024 * 1024;
const LOOPBACK = ["127.0.0.1", "::1", "localhost"];
type Answer = [status: number, body: unknown];

/** Offer your own handlers to `open_backend("storescope+http://...")`; resolves once it listens. */
export function serveHandlers(map: Partial<Handlers>, options: ServerOptions): Promise<{ url: string; server: Server }> {
  const { port, host = "127.0.0.1", token } = options;
  if (!token && !LOOPBACK.includes(host)) throw new Error(`host ${host} lets others in: give a token`);
  const server = createServer((request, response) => {
    answer(map, request, token).catch(() => problem(500, "internal", "the request failed", true)).then(([status, body]) => reply(response, status, body));
  });
  server.keepAliveTimeout = 75_000; // longer than a client keeps a connection, so that no write meets a closing one
  server.requestTimeout = 30_000;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve({ url: `http://${host}:${(server.address() as AddressInfo).port}`, server }));
  });
}

async function answer(map: Partial<Handlers>, request: IncomingMessage, token: string | undefined): Promise<Answer> {
  if (token ? !knows(request, token) : !LOOPBACK.includes((request.headers.host ?? "").replace(/:\d+$/, "")))
    return problem(401, "unauthenticated", "give a token: Authorization: Bearer TOKEN");
  // The records may be rows of your own tables, which would drop the region guard's labels.
  if (request.method === "GET" && request.url === "/v1/info") return [200, { keepsLabels: false }];
  if (request.method !== "POST" || request.url !== "/v1/storage") return problem(404, "no-such-path", "POST /v1/storage");
  const body = await read(request);
  if (body === null) return problem(413, "record-too-large", "a request holds 8 MiB at most");
  let envelope: { op?: unknown; params?: unknown } | null;
  try {
    envelope = JSON.parse(body);
  } catch {
    return problem(400, "malformed", "the body is not JSON");
  }
  const op = OPERATIONS.find((known) => known === envelope?.op);
  const run = op && (map[op] as AnyHandler | undefined);
  if (!op || !run) return problem(501, "unsupported-operation", "there is no handler for this operation");
  return call(map, op, run, envelope?.params as Record<string, unknown>);
}

async function call(map: Partial<Handlers>, op: Operation, run: AnyHandler, params: Record<string, unknown>): Promise<Answer> {
  try {
    return [200, { result: (await run(params)) ?? null }];
  } catch (error) {
    if (op.endsWith(".update") && (error instanceof RecordNotFoundError || (await isMissing(map, op, params))))
      return [404, { ...problem(404, "record-not-found", `${op}: no such record`)[1] as object, entity: op.split(".")[0] }];
    return problem(500, "internal", `the handler raised ${error instanceof Error ? error.name : typeof error}`, true);
  }
}

/** Agents' own handlers throw a plain Error for a missing record; whether it is missing, the map itself tells. */
async function isMissing(map: Partial<Handlers>, op: Operation, params: Record<string, unknown>): Promise<boolean> {
  const get = map[op.replace(".update", ".get") as Operation] as AnyHandler | undefined;
  return get !== undefined && (await get({ id: params["id"] }).catch(() => undefined)) === null;
}

function knows(request: IncomingMessage, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ""), digest(`Bearer ${token}`));
}

async function read(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    if ((size += part.length) <= MOST_BYTES) parts.push(part);
  }
  return size > MOST_BYTES ? null : Buffer.concat(parts).toString("utf8");
}

function problem(status: number, code: string, detail: string, maybeApplied = false): Answer {
  return [status, { type: `urn:storescope:error:${code}`, title: code, status, detail, retryable: false, maybeApplied }];
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": status === 200 ? "application/json" : "application/problem+json" });
  response.end(JSON.stringify(body));
}
