import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { StorageError, toError } from "./errors.js";
import { OPERATIONS, type AnyHandler, type Handlers, type Operation } from "./records.js";

/** For whom, by whom, from where, within the token's grants; and the trace that the call belongs to. */
export interface CallContext { tenant?: string; actor?: string; region?: string; traceparent?: string; tracestate?: string }

export interface ClientOptions {
  /** The bridge, `http://127.0.0.1:8377`. */
  url: string;
  /** The bearer token; the environment's STORESCOPE_TOKEN if left out. */
  token?: string;
  /** How long a call may take, its retries included, in milliseconds. */
  timeoutMs?: number;
  /** How often a call is made again where that is safe. */
  retries?: number;
  /** What each call says of itself; a function is asked at each call. */
  context?: CallContext | (() => CallContext);
}

/** Return the fifteen handlers for `store.on()`, each of them one request to the bridge. */
export function handlers(options: ClientOptions): Handlers {
  return Object.fromEntries(OPERATIONS.map((op) => [op, handler(op, options)])) as unknown as Handlers;
}

function handler(op: Operation, options: ClientOptions): AnyHandler {
  const writes = /\.(set|update)$/.test(op);
  const { timeoutMs = 10_000, retries = 2 } = options;
  return async (params) => {
    const headers = headersOf(options), body = JSON.stringify({ op, params });
    const signal = AbortSignal.timeout(timeoutMs);
    for (let attempt = 1; ; attempt++) {
      headers["storescope-attempt"] = String(attempt);
      try {
        return await send(`${options.url}/v1/storage`, { method: "POST", headers, body, signal }, writes);
      } catch (error) {
        // A write whose answer was lost is not made again: it could undo what somebody else has written since.
        const safe = error instanceof StorageError && error.retryable && !error.maybeApplied;
        if (!safe || attempt > retries || signal.aborted) throw error;
      }
      await sleep(50 * 2 ** attempt * (0.5 + Math.random() / 2));
    }
  };
}

async function send(url: string, request: RequestInit, writes: boolean): Promise<unknown> {
  let status: number, text: string;
  try {
    const response = await fetch(url, request);
    [status, text] = [response.status, await response.text()];
  } catch (error) {
    throw lost(error, writes);
  }
  const told = parse(text);
  if (status !== 200) throw toError(told, status, writes);
  if (typeof told !== "object" || told === null || !("result" in told)) throw toError(told, 502, writes);
  return told.result;
}

/** No answer came. A connection that was refused carried nothing; after any other a write may have been applied. */
function lost(error: unknown, writes: boolean): StorageError {
  const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name;
  const unsent = ["ECONNREFUSED", "ENOTFOUND", "UND_ERR_CONNECT_TIMEOUT"].includes(cause);
  return new StorageError("no-answer", `the bridge did not answer (${cause})`, true, writes && !unsent);
}

function headersOf(options: ClientOptions): Record<string, string> {
  const { context, token = process.env["STORESCOPE_TOKEN"] } = options;
  const { tenant, actor, region, traceparent, tracestate } = (typeof context === "function" ? context() : context) ?? {};
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "storescope-call-id": randomUUID().replaceAll("-", ""), // the same for each attempt: the audit log joins them
  };
  if (token) headers["authorization"] = `Bearer ${token}`;
  if (tenant) headers["storescope-tenant"] = encodeURIComponent(tenant);
  if (actor) headers["storescope-actor"] = encodeURIComponent(actor);
  if (region) headers["storescope-region"] = encodeURIComponent(region);
  if (traceparent) headers["traceparent"] = traceparent;
  if (traceparent && tracestate) headers["tracestate"] = tracestate;
  return headers;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a proxy's page, for one: the status says the rest
  }
}
