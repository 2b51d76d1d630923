/**
 * MLLP framing as a state machine on bytes: `VT message FS CR`. Pure: bytes in, frames out, however they were chunked.
 *
 * Tolerant where senders differ: bytes between frames are skipped and counted, a missing CR before the next VT is
 * accepted, and a VT inside a frame drops what came before it (the sender began again). Strict where a guess loses data:
 * FS inside text does not end the frame, only FS CR, FS VT or FS and silence do.
 *
 * @see https://www.hl7.org/documentcenter/public/wg/inm/mllp_transport_specification.PDF MLLP Release 1
 */
export const startBlock = 0x0b;
export const endBlock = 0x1c;
const carriageReturn = 0x0d;

export type Frame =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  /** Too long to be taken: only its beginning is kept, enough to answer it. */
  | { readonly kind: 'too-long'; readonly bytes: Buffer };

/** The part of an oversized frame that is kept: more than any MSH. */
const headBytes = 8_192;
/** A frame sent byte by byte is joined now and then, so that it does not hold a Buffer for each. */
const partsMax = 4_096;

const nothing = Buffer.alloc(0);

export class FrameReader {
  readonly #frameBytesMax: number;
  #state: 'between' | 'inside' | 'ending' | 'skipping' = 'between';
  #parts: Buffer[] = [];
  #bytes = 0;
  #ends = new Finder(nothing, endBlock);
  #starts = new Finder(nothing, startBlock);
  /** Bytes that were in no frame, line ends apart. */
  strayBytes = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes of the frame that is not complete yet. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  get isInFrame(): boolean {
    return this.#state !== 'between';
  }

  /** True when only the CR after FS is missing. */
  get isEnding(): boolean {
    return this.#state === 'ending';
  }

  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    this.#ends = new Finder(chunk, endBlock);
    this.#starts = new Finder(chunk, startBlock);
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at, frames);
    return frames;
  }

  /** Ends a frame whose FS was followed by silence. */
  flush(): Frame[] {
    return this.#state === 'ending' ? [this.#complete()] : [];
  }

  /** Takes one run of bytes and says where the next begins. */
  #step(chunk: Buffer, at: number, frames: Frame[]): number {
    switch (this.#state) {
      case 'between': {
        const start = this.#starts.from(at);
        this.#countStray(chunk.subarray(at, start));
        if (start < chunk.length) this.#state = 'inside';
        return Math.min(start + 1, chunk.length);
      }
      case 'ending': {
        const byte = chunk[at];
        if (byte === carriageReturn || byte === startBlock) {
          frames.push(this.#complete());
          // A VT is left for the next step: it opens the next frame.
          return byte === carriageReturn ? at + 1 : at;
        }
        // FS inside the text: it belongs to the message.
        this.#state = 'inside';
        this.#take(endBlockByte, frames);
        return at;
      }
      default: {
        const end = this.#ends.from(at);
        const restart = this.#starts.from(at);
        const until = Math.min(end, restart);
        if (this.#state === 'inside' && until > at) this.#take(chunk.subarray(at, until), frames);
        if (until === chunk.length) return until;
        if (until === restart) {
          this.#clear();
          this.#state = 'inside';
        } else if (this.#state === 'inside') this.#state = 'ending';
        else this.#state = 'between';
        return until + 1;
      }
    }
  }

  #take(bytes: Buffer, frames: Frame[]): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#frameBytesMax) {
      // A copy, so that the oversized rest can be freed.
      const head = Buffer.from(Buffer.concat([...this.#parts, bytes]).subarray(0, headBytes));
      frames.push({ kind: 'too-long', bytes: head });
      this.#clear();
      this.#state = 'skipping';
      return;
    }
    this.#parts.push(bytes);
    if (this.#parts.length > partsMax) this.#parts = [Buffer.concat(this.#parts, this.#bytes)];
  }

  #complete(): Frame {
    const bytes = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts, this.#bytes);
    this.#clear();
    this.#state = 'between';
    return { kind: 'message', bytes };
  }

  #clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }

  #countStray(bytes: Buffer): void {
    for (const byte of bytes) if (byte !== carriageReturn && byte !== 0x0a) this.strayBytes++;
  }
}

const endBlockByte = Buffer.from([endBlock]);

/** Where a byte is next in a chunk; asked in order, it passes over the chunk once, whatever else is in it. */
class Finder {
  readonly #chunk: Buffer;
  readonly #byte: number;
  #found = -1;

  constructor(chunk: Buffer, byte: number) {
    this.#chunk = chunk;
    this.#byte = byte;
  }

  /** The length of the chunk when it is not there any more. */
  from(at: number): number {
    if (this.#found < at) {
      const found = this.#chunk.indexOf(this.#byte, at);
      this.#found = found < 0 ? this.#chunk.length : found;
    }
    return this.#found;
  }
}

/** A message as it goes on the wire. */
export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(message.length + 3);
  bytes[0] = startBlock;
  bytes.set(message, 1);
  bytes[message.length + 1] = endBlock;
  bytes[message.length + 2] = carriageReturn;
  return bytes;
}
