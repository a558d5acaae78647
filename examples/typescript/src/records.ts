/** What an agent stores. Each type allows more fields than it names: they are the agent's own. */
type Json = unknown;
export interface Session { id?: string; sandboxId?: string | null; lastMessageId?: string | null; [field: string]: Json }
export interface Message { id?: string; sessionId: string; [field: string]: Json }
export interface Part { id?: string; sessionId: string; messageId?: string; [field: string]: Json }
export interface Sandbox { id?: string; [field: string]: Json }
export interface Setup { id?: string; [field: string]: Json }

type Get<R> = (params: { id: string }) => Promise<R | null>;
type Set<R> = (params: { id: string; value: R }) => Promise<void>;
type Update<R> = (params: { id: string; updates: Partial<R> }) => Promise<R>;
type List<R> = (params: { sessionId: string }) => Promise<R[]>;

/** The fifteen handlers that `store.on()` takes. */
export interface Handlers {
  "session.get": Get<Session>; "session.set": Set<Session>; "session.update": Update<Session>;
  "message.get": Get<Message>; "message.set": Set<Message>; "message.update": Update<Message>;
  "message.listBySession": List<Message>;
  "part.get": Get<Part>; "part.set": Set<Part>; "part.listBySession": List<Part>;
  "sandbox.get": Get<Sandbox>; "sandbox.set": Set<Sandbox>; "sandbox.update": Update<Sandbox>;
  "setup.get": Get<Setup>; "setup.set": Set<Setup>;
}
export type Operation = keyof Handlers;

export const OPERATIONS: readonly Operation[] = [
  "session.get", "session.set", "session.update", "message.get", "message.set", "message.update",
  "message.listBySession", "part.get", "part.set", "part.listBySession", "sandbox.get", "sandbox.set",
  "sandbox.update", "setup.get", "setup.set",
];

/** Any of the handlers, by a name that is known at run time only. */
export type AnyHandler = (params: Record<string, unknown>) => Promise<unknown>;
