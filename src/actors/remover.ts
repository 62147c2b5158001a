/**
 * Removes files that nothing names any more. It deliberately decides nothing: what is named is told by who publishes. A
 * file that cannot be removed now is tried again after the next publication.
 */
import { toStoreError } from "../errors.ts";
import type { Manifest } from "../snapshot/manifest.ts";
import type { WorkPool } from "../snapshot/pool.ts";
import { type Listing, listStore, removable } from "../snapshot/retention.ts";
import type { ResolvedOptions } from "./options.ts";

export class Remover {
  readonly #root: string;
  readonly #options: ResolvedOptions;
  readonly #pool: WorkPool;

  constructor(root: string, options: ResolvedOptions, pool: WorkPool) {
    this.#root = root;
    this.#options = options;
    this.#pool = pool;
  }

  /** After a publication: whatever these generations do not name. */
  async tidyBehind(generations: readonly Manifest[]): Promise<void> {
    await this.#attempt(async () =>
      this.#removeUnnamed(generations, await this.#pool.run("list", { root: this.#root })),
    );
  }

  /** At an opening. Listed here and not on a worker: an opening that finds nothing to do starts no thread. */
  async tidyAtOpening(generations: readonly Manifest[]): Promise<void> {
    await this.#removeUnnamed(generations, listStore(this.#options.vfs, this.#root));
  }

  async remove(paths: readonly string[]): Promise<void> {
    if (paths.length > 0) await this.#attempt(() => this.#pool.run("remove", { paths }));
  }

  async #removeUnnamed(generations: readonly Manifest[], listing: Listing): Promise<void> {
    await this.remove(removable(this.#root, generations, listing));
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.onEvent({ type: "snapshotFailed", error: toStoreError(error) });
    }
  }
}
