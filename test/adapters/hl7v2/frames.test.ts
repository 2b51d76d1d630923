import assert from 'node:assert/strict';
import fc from 'fast-check';
import { frame, FrameReader, startBlock, type Frame } from '../../../adapters/hl7v2/frames.ts';

const texts = (frames: readonly Frame[]) => frames.map(({ kind, bytes }) => `${kind}:${bytes.toString('latin1')}`);
const read = (wire: string, max = 1_000) => {
  const reader = new FrameReader(max);
  return { reader, frames: texts(reader.push(Buffer.from(wire, 'latin1'))) };
};

describe('MLLP framing (MLLP Release 1): VT message FS CR', () => {
  const rows: [string, string, string[]][] = [
    ['one frame', '\x0bA\x1c\r', ['message:A']],
    ['two frames in one packet', '\x0bA\x1c\r\x0bB\x1c\r', ['message:A', 'message:B']],
    ['bytes between frames', 'x\x0bA\x1c\r\r\nyy\x0bB\x1c\r', ['message:A', 'message:B']],
    ['no CR before the next VT', '\x0bA\x1c\x0bB\x1c\r', ['message:A', 'message:B']],
    ['a VT inside: the sender began again', '\x0bA\x0bB\x1c\r', ['message:B']],
    ['FS inside the text', '\x0bA\x1cB\x1c\r', ['message:A\x1cB']],
    ['FS twice', '\x0bA\x1c\x1c\r', ['message:A\x1c']],
    ['an empty frame', '\x0b\x1c\r', ['message:']],
    ['no start block', 'A\x1c\r', []],
    ['no end block', '\x0bA\r', []],
    ['nothing', '', []],
  ];
  for (const [what, wire, expected] of rows) {
    it(`given ${what}, then ${expected.length} frames`, () => assert.deepEqual(read(wire).frames, expected));
  }

  it('given FS and then silence, then flush ends the frame', () => {
    const { reader, frames } = read('\x0bA\x1c');
    assert.deepEqual(frames, []);
    assert.equal(reader.isEnding, true);
    assert.deepEqual(texts(reader.flush()), ['message:A']);
    assert.deepEqual(texts(reader.flush()), []);
  });

  it('given a frame over the limit, then its head comes out once and the next frame is read', () => {
    const { reader, frames } = read(`\x0b${'A'.repeat(30)}\x1c\r\x0bB\x1c\r`, 20);
    assert.deepEqual(frames, [`too-long:${'A'.repeat(30)}`, 'message:B']);
    assert.equal(reader.pendingBytes, 0);
  });

  it('passes over a chunk once, whatever it is made of: each byte that looked for the next one took minutes', () => {
    const size = 4 * 1_048_576;
    for (const [bytes, frames] of [
      ['\x1c', 1],
      ['\x1cA', 1],
      ['\x0b', 0],
    ] as const) {
      const reader = new FrameReader(size / 2);
      const found = reader.push(Buffer.from([startBlock])).length + reader.push(Buffer.alloc(size, bytes)).length;
      assert.equal(found, frames, JSON.stringify(bytes));
    }
  });

  it('counts bytes that were in no frame, line ends apart', () => {
    assert.equal(read('xx\r\n\x0bA\x1c\r\ny').reader.strayBytes, 3);
  });

  it('reads the same frames however the bytes were chunked', () => {
    const wire = fc.string({ unit: fc.constantFrom('\x0b', '\x1c', '\r', '\n', 'A', '|'), maxLength: 60 });
    fc.assert(
      fc.property(wire, fc.array(fc.nat(60), { maxLength: 8 }), (text, cuts) => {
        const bytes = Buffer.from(text, 'latin1');
        const reader = new FrameReader(12);
        const frames: Frame[] = [];
        let start = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
          if (cut < start) continue;
          frames.push(...reader.push(bytes.subarray(start, cut)));
          start = Math.min(cut, bytes.length);
        }
        assert.deepEqual(
          frames.map(({ kind }) => kind),
          new FrameReader(12).push(bytes).map(({ kind }) => kind),
        );
        // The head of a frame that is too long is as much of it as had come.
        assert.deepEqual(
          texts(frames.filter(({ kind }) => kind === 'message')),
          texts(new FrameReader(12).push(bytes).filter(({ kind }) => kind === 'message')),
        );
      }),
    );
  });

  it('what was framed is read back, whatever bytes it has but VT and FS', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const message = Buffer.from(bytes.filter((byte) => byte !== 0x0b && byte !== 0x1c));
        assert.deepEqual(
          new FrameReader(1_000).push(frame(message)).map((one) => one.bytes),
          [message],
        );
      }),
    );
  });
});
