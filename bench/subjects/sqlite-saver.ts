/**
 * LangGraph's SqliteSaver as its documentation uses it: `put` of the whole state at every step. It opens its
 * database in WAL mode and leaves `synchronous` as compiled (NORMAL in WAL mode). Only `put` is called, which
 * is less than a graph does, so the figures are in its favour.
 */
import { join } from "node:path";
import { nodeOf } from "../support/commits.ts";
import { loadPeer } from "../support/peers.ts";
import { DURABILITY, expectEqual, type OpenSubject } from "../support/subject.ts";

interface Checkpoint {
  readonly channel_values: { readonly messages?: readonly unknown[] };
}
interface Saver {
  readonly db: { close(): void };
  put(config: object, checkpoint: object, metadata: object, versions: object): Promise<object>;
  getTuple(config: object): Promise<{ checkpoint: Checkpoint } | undefined>;
}
export interface SaverModule {
  SqliteSaver: { fromConnString(path: string): Saver };
}

export const loadSqliteSaver = () =>
  loadPeer<SaverModule>("@langchain/langgraph-checkpoint-sqlite", ["SqliteSaver"]);

export function sqliteSaver({ SqliteSaver }: SaverModule): OpenSubject {
  return (directory) => {
    const path = join(directory, "saver.db");
    const saver = SqliteSaver.fromConnString(path);
    const messages: unknown[] = [];
    let config: object = { configurable: { thread_id: "thread", checkpoint_ns: "" } };
    return {
      name: "LangGraph SqliteSaver",
      durability: DURABILITY.kernel,
      commit: async (_, step) => {
        messages.push(nodeOf(step));
        const checkpoint = {
          v: 4,
          id: `1ef4f797-8335-6428-8001-${String(step).padStart(12, "0")}`,
          ts: "2026-01-01T00:00:00Z",
          channel_values: { messages: [...messages] },
          channel_versions: { messages: step + 1 },
          versions_seen: {},
        };
        const metadata = { source: "loop", step, parents: {} };
        config = await saver.put(config, checkpoint, metadata, { messages: step + 1 });
      },
      close: () => saver.db.close(),
      verify: async ([steps]) => {
        const again = SqliteSaver.fromConnString(path);
        const found = await again.getTuple({ configurable: { thread_id: "thread", checkpoint_ns: "" } });
        expectEqual(
          "messages of the last checkpoint",
          found?.checkpoint.channel_values.messages?.length,
          steps,
        );
        again.db.close();
      },
    };
  };
}
