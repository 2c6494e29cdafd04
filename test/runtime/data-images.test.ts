import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import jpeg from 'jpeg-js';
import type { ColumnPlan, DataPlan } from '../../grammar/plan/plan.ts';
import { decodePicture } from '../../runtime/data/pictures.ts';
import { checkDataset, readDataset } from '../../runtime/data/read.ts';
import { resize } from '../../runtime/data/resize.ts';
import { MlpipeError } from '../../runtime/errors.ts';

const picture = (height: number, width: number, channels = 1): ColumnPlan => ({
  name: 'picture',
  type: { kind: 'image', shape: [height, width, channels] },
});
const kind: ColumnPlan = { name: 'kind', type: { kind: 'class', labels: ['cat', 'dog'] } };
const planOf = (schema: ColumnPlan[]): DataPlan => ({ name: 'pets', source: { kind: 'path', path: 'pets' }, schema });

const grey = (...data: number[]): Uint8Array =>
  encode({ width: 2, height: data.length / 2, data: Uint8Array.from(data), channels: 1, depth: 8 });

describe('reading pictures', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-images-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function write(name: string, content: Uint8Array | string): Promise<void> {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }

  it('takes the class from the folder, in the order of the paths', async () => {
    await write('dog/1.png', grey(5, 6, 7, 8));
    await write('cat/2.png', grey(1, 2, 3, 4));
    await write('cat/10.png', grey(9, 9, 9, 9));
    await write('cat/.hidden.png', 'no picture');
    await write('README.md', 'about these');
    const { rows, columns } = await readDataset(planOf([picture(2, 2), kind]), folder);
    assert.equal(rows, 3);
    assert.deepEqual([...(columns.kind?.values ?? [])], [0, 0, 1]);
    assert.deepEqual([...(columns.picture?.values ?? [])], [9, 9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('takes the class from the folder that the picture lies in, however deep', async () => {
    await write('2024/dog/1.png', grey(5, 6, 7, 8));
    await write('2025/cat/1.png', grey(1, 2, 3, 4));
    const { columns } = await readDataset(planOf([picture(2, 2), kind]), folder);
    assert.deepEqual([...(columns.kind?.values ?? [])], [1, 0]);
  });

  it('takes the columns from a table beside the pictures, in its order', async () => {
    await write('a.png', grey(1, 2, 3, 4));
    await write('more/b.png', grey(5, 6, 7, 8));
    await write('labels.csv', 'file,kind,weight\nmore/b.png,dog,2.5\na.png,cat,1\n');
    const weight: ColumnPlan = { name: 'weight', type: { kind: 'float', shape: [] } };
    const { columns } = await readDataset(planOf([picture(2, 2), kind, weight]), folder);
    assert.deepEqual([...(columns.picture?.values ?? [])], [5, 6, 7, 8, 1, 2, 3, 4]);
    assert.deepEqual([...(columns.kind?.values ?? [])], [1, 0]);
    assert.deepEqual([...(columns.weight?.values ?? [])], [2.5, 1]);
  });

  it('tells of a picture that a table names and that is not there', async () => {
    await write('a.png', grey(1, 2, 3, 4));
    await write('labels.csv', 'file,kind\na.png,cat\nno.png,dog\n');
    const { problems } = await checkDataset(planOf([picture(2, 2), kind]), folder);
    assert.deepEqual(
      problems.map(({ kind, file, line, found }) => [kind, file, line, found]),
      [['missing-value', 'labels.csv', 3, 'no.png']],
    );
  });

  it('names a damaged picture and a folder that is no class', async () => {
    const whole = grey(1, 2, 3, 4);
    await write('cat/half.png', whole.subarray(0, whole.length - 20));
    await write('cat/text.jpg', 'not a picture');
    await write('bird/1.png', whole);
    const { problems } = await checkDataset(planOf([picture(2, 2), kind]), folder);
    assert.deepEqual(
      problems.map(({ kind, column, file }) => [kind, column, file]),
      [
        ['unknown-class', 'kind', 'bird/1.png'],
        ['wrong-type', 'picture', 'cat/half.png'],
        ['wrong-type', 'picture', 'cat/text.jpg'],
      ],
    );
    await assert.rejects(readDataset(planOf([picture(2, 2), kind]), folder), (error) => {
      assert.ok(error instanceof MlpipeError);
      assert.match(
        error.message,
        /pets\/cat\/text\.jpg: column picture holds "neither PNG nor JPEG by its first bytes"/,
      );
      return true;
    });
  });

  it('reads JPEG, colour and grey', () => {
    const data = Buffer.alloc(8 * 8 * 4, 255);
    for (let pixel = 0; pixel < 64; pixel++) data.set([200, 100, 50], pixel * 4);
    const bytes = jpeg.encode({ width: 8, height: 8, data }, 100).data;
    const colour = decodePicture(bytes, 3);
    assert.equal(colour.values.length, 8 * 8 * 3);
    for (const [index, expected] of [200, 100, 50].entries())
      assert.ok(Math.abs((colour.values[index] ?? 0) - expected) <= 3);
    const luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50;
    assert.ok(Math.abs((decodePicture(bytes, 1).values[0] ?? 0) - luma) <= 3);
  });

  const png = (channels: number, depth: 8 | 16, data: number[]): Uint8Array =>
    encode({
      width: 1,
      height: 1,
      channels,
      depth,
      data: depth === 16 ? Uint16Array.from(data) : Uint8Array.from(data),
    });
  const conversions: [string, Uint8Array, number, number[]][] = [
    ['grey to colour', png(1, 8, [7]), 3, [7, 7, 7]],
    ['grey to colour with transparency', png(1, 8, [7]), 4, [7, 7, 7, 255]],
    ['colour with transparency to colour', png(4, 8, [1, 2, 3, 40]), 3, [1, 2, 3]],
    ['grey with transparency to all', png(2, 8, [7, 40]), 4, [7, 7, 7, 40]],
    ['16 bits to 0 … 255', png(1, 16, [65535]), 1, [255]],
    ['colour to grey', png(3, 8, [255, 0, 0]), 1, [Math.fround(0.299 * 255)]],
  ];
  for (const [name, bytes, channels, expected] of conversions)
    it(`turns ${name}`, () => {
      assert.deepEqual([...decodePicture(bytes, channels).values], expected);
    });

  it('resizes pictures of another size', async () => {
    await write('cat/1.png', grey(10, 20, 30, 40));
    const { columns } = await readDataset(planOf([picture(1, 1), kind]), folder);
    assert.deepEqual([...(columns.picture?.values ?? [])], [25]);
  });
});

describe('resizing', () => {
  const ramp = { height: 1, width: 4, channels: 1, values: Float32Array.of(0, 10, 20, 30) };

  it('interpolates between pixel centres when it enlarges', () => {
    assert.deepEqual([...resize(ramp, 1, 8).values], [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30]);
  });

  it('averages what a pixel covers when it shrinks', () => {
    // Weights 3, 3, 1 over the first three pixels (1/4, 3/4, 3/4, 1/4 at the border without its missing neighbour).
    const [first, last] = resize(ramp, 1, 2).values;
    assert.ok(Math.abs((first ?? 0) - (0 * 0.75 + 10 * 0.75 + 20 * 0.25) / 1.75) < 1e-5);
    assert.ok(Math.abs((last ?? 0) - (10 * 0.25 + 20 * 0.75 + 30 * 0.75) / 1.75) < 1e-5);
  });

  it('keeps an even picture even, in any size and each channel alone', () => {
    const even = {
      height: 5,
      width: 7,
      channels: 3,
      values: Float32Array.from({ length: 105 }, (_, at) => (at % 3) * 100),
    };
    for (const [height, width] of [
      [3, 3],
      [11, 2],
      [1, 20],
    ] as const) {
      const { values } = resize(even, height, width);
      assert.equal(values.length, height * width * 3);
      for (const [at, value] of values.entries()) assert.ok(Math.abs(value - (at % 3) * 100) < 1e-3);
    }
  });
});
