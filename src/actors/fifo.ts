/**
 * A queue that is taken from its front: there is an item per frame and per answer in flight, so neither taking
 * one nor taking many may copy the rest.
 */

/** Items taken before the array is cut, at least. */
const MIN_CUT = 1024;

export class Fifo<Item> {
  #items: Item[] = [];
  #first = 0;

  get isEmpty(): boolean {
    return this.#first === this.#items.length;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** The oldest item, which stays. */
  peek(): Item | undefined {
    return this.#items[this.#first];
  }

  shift(): Item | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#first++;
    if (this.#first === this.#items.length) this.#reset();
    // As many have been taken as are moved, so an item is moved once on average.
    else if (this.#first >= MIN_CUT && 2 * this.#first >= this.#items.length) this.#cut();
    return item;
  }

  /** Takes all, oldest first. */
  takeAll(): Item[] {
    const items = this.#items.slice(this.#first);
    this.#reset();
    return items;
  }

  #cut(): void {
    this.#items.splice(0, this.#first);
    this.#first = 0;
  }

  #reset(): void {
    this.#items = [];
    this.#first = 0;
  }
}
