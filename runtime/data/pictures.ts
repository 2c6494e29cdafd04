/** From the bytes of a PNG or JPEG file to numbers. */
import { convertIndexedToRgb, type DecodedPng, decode as decodePng, hasPngSignature } from 'fast-png';
import jpeg from 'jpeg-js';
import type { Picture } from './resize.ts';

/** A larger picture is refused rather than let the machine run out of memory. */
const LARGEST_MEGAPIXELS = 200;
const LARGEST_MEGABYTES = 2048;

/**
 * Decodes a picture, told apart by its first bytes and not by its name.
 *
 * @param channels 1: grey, by ITU-R BT.601 luma (0.299 R + 0.587 G + 0.114 B) where the file has colour; 3: colour, grey
 *   repeated; 4: with transparency, 255 where the file has none. Transparency is dropped otherwise.
 * @throws Error with a short reason where the file is neither, or is damaged
 */
export function decodePicture(bytes: Uint8Array, channels: number): Picture {
  if (bytes.length === 0) throw new Error('an empty file');
  if (bytes.length > 8 && hasPngSignature(bytes.subarray(0, 8))) return withChannels(readPng(bytes), channels);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    const { height, width, data } = jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      maxResolutionInMP: LARGEST_MEGAPIXELS,
      maxMemoryUsageInMB: LARGEST_MEGABYTES,
    });
    return withChannels({ height, width, channels: 3, values: Float32Array.from(data) }, channels);
  }
  throw new Error('neither PNG nor JPEG by its first bytes');
}

function readPng(bytes: Uint8Array): Picture {
  const png = decodePng(bytes, { checkCrc: true });
  const { height, width } = png;
  if (png.palette !== undefined) {
    const values = Float32Array.from(convertIndexedToRgb(png));
    return { height, width, channels: values.length / (height * width), values };
  }
  return { height, width, channels: png.channels, values: samplesOf(png) };
}

/** Samples of any depth as 0 … 255. */
function samplesOf(png: DecodedPng): Float32Array {
  const { data, depth, width, height, channels } = png;
  if (depth === 8) return Float32Array.from(data);
  if (depth === 16) return Float32Array.from(data, (sample) => sample / 257);
  const line = Math.ceil((width * channels * depth) / 8);
  const largest = 2 ** depth - 1;
  const values = new Float32Array(width * height * channels);
  for (let row = 0; row < height; row++)
    for (let sample = 0; sample < width * channels; sample++) {
      const bit = sample * depth;
      const byte = data[row * line + (bit >> 3)] ?? 0;
      values[row * width * channels + sample] = (((byte >> (8 - depth - (bit & 7))) & largest) * 255) / largest;
    }
  return values;
}

function withChannels(picture: Picture, channels: number): Picture {
  if (picture.channels === channels) return picture;
  const { height, width } = picture;
  const from = picture.channels;
  const colour = from >= 3;
  const transparent = from === 2 || from === 4;
  const values = new Float32Array(height * width * channels);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const at = pixel * from;
    const red = picture.values[at] ?? 0;
    const green = colour ? (picture.values[at + 1] ?? 0) : red;
    const blue = colour ? (picture.values[at + 2] ?? 0) : red;
    const to = pixel * channels;
    if (channels === 1) {
      values[to] = colour ? 0.299 * red + 0.587 * green + 0.114 * blue : red;
      continue;
    }
    values[to] = red;
    values[to + 1] = green;
    values[to + 2] = blue;
    if (channels === 4) values[to + 3] = transparent ? (picture.values[at + from - 1] ?? 255) : 255;
  }
  return { height, width, channels, values };
}
