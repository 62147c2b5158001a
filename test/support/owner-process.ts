/**
 * A process that owns a store, to be killed: `owner-process.ts <mode> <directory> [sessions]`.
 * "hold" opens it, says "open" and waits; "try" opens it and says as JSON how that ended; "idle" commits once
 * and leaves it open with nothing to do; "flight" sends a commit and a snapshot, awaits neither, and says
 * when each is answered; "closed" closes it and then leaves; "load" commits to several sessions without end
 * and says "<session> <revision>" once a commit is acknowledged, never before.
 */
import { isStoreError, openStore } from "../../src/index.ts";
import { commitOf } from "./history.ts";

const [mode, directory = "", sessions = "4"] = process.argv.slice(2);

if (mode === "try") {
  try {
    const store = await openStore(directory);
    await store.close();
    say({ opened: true });
  } catch (error) {
    const data = isStoreError(error) ? { ...error, message: error.message } : { message: String(error) };
    say({ opened: false, ...data });
  }
} else {
  const store = await openStore(directory, {
    segmentBytes: 256 * 1024,
    snapshot: { logBytes: 200_000 },
    gc: { minBytes: 100_000 },
  });
  process.stdout.write("open\n");
  if (mode === "hold") setInterval(() => undefined, 1_000);
  if (mode === "load")
    await Promise.all(Array.from({ length: Number(sessions) }, (_, index) => load(`s${index}`)));
  if (mode === "idle" || mode === "closed") await store.session("s0").commitRuntimeState(commitOf("s0", 1));
  if (mode === "closed") await store.snapshot();
  if (mode === "closed") await store.close();
  if (mode === "flight") {
    void store
      .session("s0")
      .commitRuntimeState(commitOf("s0", 1))
      .then(() => process.stdout.write("committed\n"));
    void store.snapshot().then(() => process.stdout.write("snapshot\n"));
  }

  /** As a host does: what is refused as busy is sent again a little later. */
  async function send(sessionId: string, revision: number): Promise<void> {
    for (;;) {
      try {
        await store.session(sessionId).commitRuntimeState(commitOf(sessionId, revision));
        return;
      } catch (error) {
        if (!isStoreError(error, "STORE_BUSY")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  async function load(sessionId: string): Promise<never> {
    const head = await store.session(sessionId).loadSession({ kind: "activePath" });
    for (let revision = (head?.headRevision ?? 0) + 1; ; revision++) {
      await send(sessionId, revision);
      process.stdout.write(`${sessionId} ${revision}\n`);
    }
  }
}

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
