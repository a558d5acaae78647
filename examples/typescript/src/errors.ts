/** What a call ended in, as the bridge says it: the last part of a problem's `type`, `record-not-found` for one. */
export class StorageError extends Error {
  override name = "StorageError";
  constructor(
    readonly code: string,
    message: string,
    /** Whether the same call may succeed if it is made again. */
    readonly retryable: boolean,
    /** Whether a write may have been applied although its answer was lost. */
    readonly maybeApplied: boolean,
    /** What the region guard decided, if it denied the call. */
    readonly decision?: Record<string, unknown>,
  ) {
    super(message);
  }
}

/** An update named a record that does not exist. A workflow engine must not try it again. */
export class RecordNotFoundError extends StorageError {
  override name = "RecordNotFoundError";
  constructor(message = "no such record") {
    super("record-not-found", message, false, false);
  }
}

const URN = "urn:storescope:error:";

export function toError(problem: unknown, status: number, writes: boolean): StorageError {
  const told = (typeof problem === "object" && problem !== null ? problem : {}) as Record<string, unknown>;
  const type = String(told["type"] ?? "");
  if (!type.startsWith(URN)) {
    const retryable = [408, 429, 502, 503, 504].includes(status);
    return new StorageError(`http-${status}`, `HTTP status ${status}`, retryable, writes && status >= 500);
  }
  const code = type.slice(URN.length), detail = String(told["detail"] ?? told["title"] ?? code);
  if (code === "record-not-found") return new RecordNotFoundError(detail);
  const decision = told["decision"] as Record<string, unknown> | undefined;
  return new StorageError(code, detail, told["retryable"] === true, writes && told["maybeApplied"] !== false, decision);
}
