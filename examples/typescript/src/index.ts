export { handlers, type CallContext, type ClientOptions } from "./client.js";
export { RecordNotFoundError, StorageError } from "./errors.js";
export { OPERATIONS, type Handlers, type Message, type Operation, type Part, type Sandbox, type Session, type Setup } from "./records.js";
export { serveHandlers, type ServerOptions } from "./server.js";
