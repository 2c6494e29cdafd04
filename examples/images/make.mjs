/**
 * Draws `data/shapes`: circles, squares and triangles, 20 × 20 pixels in grey, a folder a class. The same pictures at
 * each run and on each machine: all that is random follows from one seed, in whole numbers.
 *
 *     node make.mjs
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';

const SIZE = 20;
const PICTURES = 110;
const FOLDER = new URL('data/shapes/', import.meta.url);

/** Whether a point lies in the shape of radius 1 round the origin. */
const SHAPES = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.84,
  triangle: (x, y) => y <= 0.6 && y >= 1.9 * Math.abs(x) - 1.1,
};

let state = 20261;
/** 0 … 1, by a linear congruential generator (Numerical Recipes). */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) / 0x1000000;
}
const between = (lower, upper) => lower + (upper - lower) * random();

rmSync(FOLDER, { recursive: true, force: true });
for (const [name, inside] of Object.entries(SHAPES)) {
  mkdirSync(new URL(`${name}/`, FOLDER), { recursive: true });
  for (let index = 0; index < PICTURES; index++) {
    const file = `${name}/${String(index).padStart(3, '0')}.png`;
    writeFileSync(new URL(file, FOLDER), png(draw(inside)));
  }
}

/** A shape of random place, size, turn and shade on a noisy ground, each pixel the mean of 4 × 4 points. */
function draw(inside) {
  const radius = between(4.5, 7.5);
  const [centreX, centreY] = [between(8.5, 11.5), between(8.5, 11.5)];
  const turn = between(-0.4, 0.4);
  const [cosine, sine] = [Math.cos(turn), Math.sin(turn)];
  const ground = between(10, 90);
  const ink = between(150, 245);
  const pixels = new Uint8Array(SIZE * SIZE);
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      let covered = 0;
      for (let point = 0; point < 16; point++) {
        const x = (column + ((point & 3) + 0.5) / 4 - centreX) / radius;
        const y = (row + ((point >> 2) + 0.5) / 4 - centreY) / radius;
        if (inside(x * cosine + y * sine, y * cosine - x * sine)) covered++;
      }
      const shade = ground + ((ink - ground) * covered) / 16 + between(-12, 12);
      pixels[row * SIZE + column] = Math.max(0, Math.min(255, Math.round(shade)));
    }
  }
  return pixels;
}

/** A grey PNG of 8 bits. */
function png(pixels) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIZE, 0);
  header.writeUInt32BE(SIZE, 4);
  header[8] = 8;
  const lines = Buffer.alloc(SIZE * (SIZE + 1));
  for (let row = 0; row < SIZE; row++) lines.set(pixels.subarray(row * SIZE, (row + 1) * SIZE), row * (SIZE + 1) + 1);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(lines, { level: 9 })),
    chunk('IEND'),
  ]);
}

function chunk(type, content = Buffer.alloc(0)) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(content.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
