/** Where content is cut follows from its bytes alone, and what is cut is the content. */
import assert from 'node:assert/strict';
import { digestOf } from '../../grammar/plan/canonical.ts';
import { CHUNKING, type Chunking, chunksOf, isChunking } from '../../runtime/store/remotes/chunker.ts';
import { isCompressed } from '../../runtime/store/remotes/media.ts';
import { pseudoRandom, tableOf } from './support.ts';

/** Cuts at `at`, one after the other as a test likes them. */
async function* inPieces(content: Buffer, sizes: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; ) {
    const size = sizes();
    yield content.subarray(at, at + size);
    at += size;
  }
}

async function cut(content: Buffer, chunking: Chunking = CHUNKING, sizes = () => 2 ** 20): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(inPieces(content, sizes), chunking)) chunks.push(chunk);
  return chunks;
}

/** Seeded, so that a failure comes again. */
function drawing(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** As docs/remotes.md has it, and as slow as that is to do. */
function cutByTheBook(content: Buffer, { average, largest, smallest }: Chunking): number[] {
  const gear = Array.from({ length: 256 }, (_, byte) => BigInt(`0x${digestOf(Uint8Array.of(byte)).slice(7, 15)}`));
  const lengths: number[] = [];
  for (let begin = 0, end = 1; begin < content.length; end += 1) {
    const window = content.subarray(Math.max(begin, end - 32), end);
    const hash = window.reduce((sum, byte) => (sum * 2n + (gear[byte] ?? 0n)) % 2n ** 32n, 0n);
    const bits = end - begin < average ? Math.log2(average) + 2 : Math.log2(average) - 2;
    const isCut = end - begin >= smallest && hash / 2n ** BigInt(32 - bits) === 0n;
    if (!isCut && end - begin < largest && end < content.length) continue;
    lengths.push(end - begin);
    begin = end;
  }
  return lengths;
}

describe('cutting content into chunks', function () {
  this.timeout(60_000);
  const small: Chunking = { average: 256, largest: 1024, smallest: 64 };

  it('cuts at the same places however the content is read, within the bounds, and loses nothing', async () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const draw = drawing(seed);
      const kinds = [pseudoRandom(draw(40_000)), tableOf(draw(1500), seed), Buffer.alloc(draw(9000), draw(256))];
      const content = kinds[seed % 3] ?? Buffer.alloc(0);
      const expected = await cut(content, small);
      assert.ok(Buffer.concat(expected).equals(content), `seed ${seed}: other bytes`);
      for (const [number, { length }] of expected.entries()) {
        assert.ok(length <= small.largest, `seed ${seed}: ${length} bytes`);
        assert.ok(length >= small.smallest || number === expected.length - 1, `seed ${seed}: ${length} bytes`);
      }
      const again = await cut(content, small, () => 1 + draw(seed % 2 ? 3000 : 90));
      assert.deepEqual(
        again.map(({ length }) => length),
        expected.map(({ length }) => length),
        `seed ${seed}: cut elsewhere`,
      );
    }
  });

  it('cuts where the document says', async () => {
    for (const content of [pseudoRandom(30_000), tableOf(1200), Buffer.alloc(5000, 7)]) {
      const lengths = (await cut(content, small)).map(({ length }) => length);
      assert.deepEqual(lengths, cutByTheBook(content, small));
    }
  });

  it('cuts where it always has: a change would send every table anew', async () => {
    const lengths = (await cut(pseudoRandom(700_000))).map(({ length }) => length);
    assert.deepEqual(lengths, EXPECTED);
  });

  it('finds its way again after an edit', async () => {
    const content = tableOf(200_000);
    const before = new Set((await cut(content)).map((chunk) => digestOf(chunk)));
    const edited = Buffer.concat([
      content.subarray(0, 3_000_000),
      Buffer.from('a row,of,its,own\n'),
      content.subarray(3_000_000),
    ]);
    const changed = (await cut(edited)).filter((chunk) => !before.has(digestOf(chunk)));
    assert.ok(before.size > 50, `${before.size} chunks`);
    assert.ok(changed.length <= 2, `${changed.length} chunks are new`);
  });

  it('refuses numbers that make no chunks', () => {
    assert.ok(isChunking(CHUNKING));
    for (const wrong of [
      { average: 65_535 },
      { smallest: 16 },
      { smallest: 100_000 },
      { largest: 1000 },
      { largest: 2 ** 30 },
      { average: '65536' },
    ]) {
      assert.ok(!isChunking({ ...CHUNKING, ...wrong }), JSON.stringify(wrong));
    }
  });

  it('leaves out what is compressed already, and not the archives that only hold, nor weights', () => {
    const zip = (method: number) => Buffer.from([0x50, 0x4b, 3, 4, 20, 0, 0, 0, method, 0, 0, 0, 0, 0, 0, 0]);
    const mp4 = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypisom')]);
    const drawn = (seed: number, value: (draw: () => number) => number[]) => {
      const draw = drawing(seed);
      return Buffer.from(Array.from({ length: 4096 }, () => value(() => draw(2 ** 16) / 2 ** 16)).flat()).subarray(
        0,
        4096,
      );
    };
    const normal = (draw: () => number) => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    const float32 = (value: number) => [...new Uint8Array(Float32Array.of(value).buffer)];
    for (let seed = 1; seed < 40; seed += 1) {
      assert.ok(isCompressed(drawn(seed, (draw) => [Math.floor(draw() * 256)])), `chance ${seed}`);
      assert.ok(!isCompressed(drawn(seed, (draw) => float32(normal(draw) * 0.05))), `weights ${seed}`);
      // The upper half of a float32 is a bfloat16; quantized weights are bytes.
      assert.ok(!isCompressed(drawn(seed, (draw) => float32(normal(draw)).slice(2))), `bfloat16 ${seed}`);
      assert.ok(!isCompressed(drawn(seed, (draw) => [Math.round(normal(draw) * 40) & 255])), `int8 ${seed}`);
    }
    for (const head of [zip(8), mp4, Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from([0x1f, 0x8b, 8, 0])]) {
      assert.ok(isCompressed(head), head.toString('hex'));
    }
    for (const head of [zip(0), Buffer.from('PAR1....'), Buffer.from('a,b,c\n1,2,3\n'), Buffer.alloc(0)]) {
      assert.ok(!isCompressed(head), head.toString('hex'));
    }
  });
});

const EXPECTED = [69_995, 44_708, 152_520, 36_064, 86_104, 75_028, 161_925, 45_250, 19_574, 8832];
