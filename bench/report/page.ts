/** placeholder until the plots land */
import type { Run } from "../support/bench.ts";
export function page(run: Run): string {
  return `<pre>${JSON.stringify(run)}</pre>`;
}
