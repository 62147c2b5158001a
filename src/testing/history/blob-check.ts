/**
 * Which blobs a gc must have collected. A blob is surely collected if no session could hold it when the gc
 * was called and nothing named it since; from the gc's answer on, a commit that carries its ref is refused
 * until a commit sends the value again.
 */
import type { CommitCall } from "./events.ts";

export class BlobCheck {
  /** When a commit last named each ref. */
  readonly #namedAt = new Map<string, number>();
  readonly #collected = new Set<string>();
  /** Running gcs: when they were called, and the refs that nobody held then. */
  readonly #running = new Map<number, { readonly at: number; readonly free: readonly string[] }>();

  gcBegan(id: number, now: number, held: ReadonlySet<string>): void {
    const free = [...this.#namedAt.keys()].filter((ref) => !held.has(ref) && !this.#collected.has(ref));
    this.#running.set(id, { at: now, free });
  }

  gcEnded(id: number): void {
    const gc = this.#running.get(id);
    this.#running.delete(id);
    if (gc === undefined) return;
    for (const ref of gc.free) if ((this.#namedAt.get(ref) ?? 0) < gc.at) this.#collected.add(ref);
  }

  /** Forgets what nobody holds and no commit named since `before`; answers what it forgot. */
  forget(held: ReadonlySet<string>, before: number): string[] {
    const old = [...this.#namedAt].filter(([ref, at]) => at < before && !held.has(ref)).map(([ref]) => ref);
    for (const ref of old) {
      this.#namedAt.delete(ref);
      this.#collected.delete(ref);
    }
    return old;
  }

  /** Why this commit should have been refused, if it was taken. */
  named(call: CommitCall, { now, wasTaken }: { now: number; wasTaken: boolean }): string | undefined {
    let wrong: string | undefined;
    for (const { ref, value } of Object.values(call.components)) {
      this.#namedAt.set(ref, now);
      if (value !== undefined) this.#collected.delete(ref);
      else if (wasTaken && this.#collected.has(ref))
        wrong = `a commit could carry ${ref}, which a gc had collected`;
    }
    return wrong;
  }
}
