// A worker thread that tries to open the store in `workerData` and posts how that ended.
import { parentPort, workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
const { openStore } = await import("../../src/index.ts");
try {
  const store = await openStore(workerData);
  await store.close();
  parentPort.postMessage({ opened: true });
} catch (error) {
  parentPort.postMessage({ opened: false, code: error.code, message: error.message, owner: error.owner });
}
