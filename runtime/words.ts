/** Numbers as people read them, each with its unit. */

/** `1,797` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `12.4 KiB`, in the binary units in which pipelines ask for memory. */
export function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return `${count(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min` */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 === 0 ? '' : ` ${whole % 60} s`}`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}

/** An ISO time as `2026-11-23 10:12`, in UTC as records have it. */
export function minute(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 16)}`;
}

/** `data, model and environment` */
export function listed(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Metrics that are shares of a whole. */
const SHARES = new Set(['accuracy', 'precision', 'recall', 'f1', 'topK']);

/** A metric with its unit, shares in per cent: `accuracy 97.8 %`, `recall(class: 3) 90.0 %`, `loss 0.0812`. */
export function metric(name: string, value: number): string {
  return `${name} ${metricValue(name, value)}`;
}

/** How far a metric may be off: shares in percentage points, `2.0 pt`. */
export function toleranceValue(name: string, tolerance: number): string {
  const [plain = name] = name.split(/[.(]/);
  return SHARES.has(plain) ? `${(tolerance * 100).toFixed(1)} pt` : String(Number(tolerance.toPrecision(4)));
}

/** The value alone: `97.8 %`, `0.0812`. */
export function metricValue(name: string, value: number): string {
  const [plain = name] = name.split(/[.(]/);
  return SHARES.has(plain) ? `${(value * 100).toFixed(1)} %` : String(Number(value.toPrecision(4)));
}
