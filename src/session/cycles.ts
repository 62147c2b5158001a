/** Parent cycles, found by walking from each start towards its root. Every node is walked over once. */

/** An id on a cycle that one of `starts` leads into, or undefined. `parentOf` answers undefined at a root. */
export function findCycle(
  starts: Iterable<string>,
  parentOf: (id: string) => string | undefined,
): string | undefined {
  const walkOf = new Map<string, number>();
  let walk = 0;
  for (const start of starts) {
    walk++;
    let at: string | undefined = start;
    while (at !== undefined && !walkOf.has(at)) {
      walkOf.set(at, walk);
      at = parentOf(at);
    }
    if (at !== undefined && walkOf.get(at) === walk) return at;
  }
  return undefined;
}
