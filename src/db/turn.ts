/**
 * What one turn of the event loop asks of the same kind is one statement. What PostgreSQL makes ready at each execution and
 * what the driver sends is then paid once for all of them. One snapshot and one clock for all; who asks later is answered
 * by a later statement.
 */
interface Waiting<Key, Value> {
  readonly key: Key;
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** More gain nothing, and the first would wait for the last. */
const keysMax = 64;

export class Turn<Key, Value> {
  readonly #ask: (keys: Key[]) => Promise<ReadonlyMap<Key, Value>>;
  #waiting: Waiting<Key, Value>[] = [];

  /** @param ask one statement for all these keys, each named once; what it does not find is undefined */
  constructor(ask: (keys: Key[]) => Promise<ReadonlyMap<Key, Value>>) {
    this.#ask = ask;
  }

  find(key: Key): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => void this.#send());
      if (this.#waiting.length === keysMax) void this.#send();
    });
  }

  async #send(): Promise<void> {
    const waiting = this.#waiting;
    // When it was full it has been sent already.
    if (waiting.length === 0) return;
    this.#waiting = [];
    try {
      const found = await this.#ask([...new Set(waiting.map(({ key }) => key))]);
      for (const { key, resolve } of waiting) resolve(found.get(key));
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
