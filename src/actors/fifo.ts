/**
 * A queue that is taken from its front: there is an item per frame and per answer in flight, so neither taking
 * one nor taking many may copy the rest, and filling it again after it ran empty allocates nothing.
 */

const FIRST_CAPACITY = 16;
/** Places that an empty queue keeps. */
const MAX_KEPT = 16_384;

export class Fifo<Item> {
  /** A ring; its length is a power of two. */
  #items: (Item | undefined)[] = emptyRing(FIRST_CAPACITY);
  #first = 0;
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  push(item: Item): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#first + this.#length) & (this.#items.length - 1)] = item;
    this.#length++;
  }

  /** The oldest item, which stays. */
  peek(): Item | undefined {
    return this.#items[this.#first];
  }

  shift(): Item | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#items.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#items.length > MAX_KEPT) this.#items = emptyRing(FIRST_CAPACITY);
    return item;
  }

  /** Takes all, oldest first. */
  takeAll(): Item[] {
    const items: Item[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    return items;
  }

  #grow(): void {
    const before = this.#items;
    const grown = emptyRing<Item>(before.length * 2);
    for (let i = 0; i < this.#length; i++) grown[i] = before[(this.#first + i) & (before.length - 1)];
    this.#items = grown;
    this.#first = 0;
  }
}

/** Filled, because an array with holes is slower. */
function emptyRing<Item>(capacity: number): (Item | undefined)[] {
  return new Array<Item | undefined>(capacity).fill(undefined);
}
