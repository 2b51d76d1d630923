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

export class FrameReader {
  readonly #frameBytesMax: number;
  #state: 'between' | 'inside' | 'ending' | 'skipping' = 'between';
  #parts: Buffer[] = [];
  #bytes = 0;
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
        const start = chunk.indexOf(startBlock, at);
        this.#countStray(chunk.subarray(at, start < 0 ? undefined : start));
        if (start < 0) return chunk.length;
        this.#state = 'inside';
        return start + 1;
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
        const end = indexOr(chunk, endBlock, at);
        const restart = indexOr(chunk, startBlock, at);
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

function indexOr(chunk: Buffer, byte: number, from: number): number {
  const index = chunk.indexOf(byte, from);
  return index < 0 ? chunk.length : index;
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
