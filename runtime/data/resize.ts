/** Pictures of another size than the model takes. */

/** Height × width × channels numbers, row-major, 0 … 255. */
export interface Picture {
  height: number;
  width: number;
  channels: number;
  values: Float32Array;
}

/**
 * Resizes by linear interpolation between pixel centres; where a side shrinks, each new pixel is the mean of the old
 * ones it covers, weighted by a triangle as wide as two new pixels, so that fine patterns do not turn into noise (the
 * `BILINEAR` of Pillow, the antialiased `bilinear` of TensorFlow). The proportions of the sides are not kept.
 */
export function resize(picture: Picture, height: number, width: number): Picture {
  if (picture.height === height && picture.width === width) return picture;
  const { channels } = picture;
  const across = new Float32Array(picture.height * width * channels);
  for (const [column, { first, weights }] of taps(picture.width, width).entries())
    for (let row = 0; row < picture.height; row++)
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (const [index, weight] of weights.entries())
          sum += weight * (picture.values[(row * picture.width + first + index) * channels + channel] ?? 0);
        across[(row * width + column) * channels + channel] = sum;
      }
  const values = new Float32Array(height * width * channels);
  const line = width * channels;
  for (const [row, { first, weights }] of taps(picture.height, height).entries())
    for (let at = 0; at < line; at++) {
      let sum = 0;
      for (const [index, weight] of weights.entries()) sum += weight * (across[(first + index) * line + at] ?? 0);
      values[row * line + at] = sum;
    }
  return { height, width, channels, values };
}

/** For each new pixel of a side: the first old one that it sees, and the weight of each from there on; they add up to 1. */
function taps(from: number, to: number): { first: number; weights: number[] }[] {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const last = Math.min(from, Math.floor(centre + reach + 0.5));
    const weights: number[] = [];
    for (let old = first; old < last; old++) weights.push(Math.max(0, 1 - Math.abs((old + 0.5 - centre) / reach)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}
