/**
 * Normal numbers from integers alone, so that a GPU (shaders/initial-values.ts) draws the same ones as the host: no
 * logarithm or cosine of any driver's is involved. A word's lowest bit is the sign; the others are u = (2·⌊word / 2⌋ + 1) / 2^32,
 * how likely a larger magnitude is, and the magnitude is looked up by the octave and the next bits of u. Between two entries it
 * is linear, which is off by 2·10^-6 at most.
 */

/** Entries for each power of two of u, from 2^-32 to 1: of a word whose first one is found, that many bits choose. */
export const quantilesPerOctave = 128;
/** Magnitudes are multiples of 2^-21, all of which f32 can hold: the largest is below 6.34. */
export const normalUnit = 2 ** -21;

/** Entries are finer: multiples of 2^-28. */
const entryUnit = 2 ** -28;
/** The magnitude that is exceeded with the probability 2^-32, and the density there. */
const [furthest, densityThere] = [6.337957754553789, 7.553855895161342e-10];

let table: Uint32Array<ArrayBuffer> | undefined;

/**
 * The magnitudes z(u) at u = 2^-32 · (1 + k / 128), and so on through 32 octaves up to z(1) = 0. As functions of u, z and
 * the density φ satisfy z' = -1 / 2φ and φ' = z / 2: that takes Runge and Kutta's classical steps and no function of a library.
 * It starts in the tail, for an error there becomes smaller relative to u on the way, and would become larger the other way.
 */
export function normalQuantiles(): Uint32Array<ArrayBuffer> {
  if (table !== undefined) return table;
  const entries = new Uint32Array(32 * quantilesPerOctave + 1);
  let z = furthest;
  let density = densityThere;
  for (let k = 0; k + 1 < entries.length; k++) {
    entries[k] = Math.round(z / entryUnit);
    const h = 2 ** (Math.floor(k / quantilesPerOctave) - 32) / quantilesPerOctave;
    const [z1, d1] = [-0.5 / density, z / 2];
    const [z2, d2] = [-0.5 / (density + (h / 2) * d1), (z + (h / 2) * z1) / 2];
    const [z3, d3] = [-0.5 / (density + (h / 2) * d2), (z + (h / 2) * z2) / 2];
    const [z4, d4] = [-0.5 / (density + h * d3), (z + h * z3) / 2];
    z += (h / 6) * (z1 + 2 * z2 + 2 * z3 + z4);
    density += (h / 6) * (d1 + 2 * d2 + 2 * d3 + d4);
  }
  table = entries;
  return table;
}

/** The standard normal number of a word, in multiples of `normalUnit`. */
export function normalOf(word: number, quantiles: Uint32Array): number {
  const odd = word | 1;
  const octave = Math.clz32(odd);
  const shifted = odd << octave;
  const at = (31 - octave) * quantilesPerOctave + ((shifted >>> 24) & (quantilesPerOctave - 1));
  const from = quantiles[at] ?? 0;
  const fall = from - (quantiles[at + 1] ?? 0);
  const high = (shifted >>> 14) & 1023;
  const low = (shifted >>> 4) & 1023;
  const magnitude = (from - ((fall * high + ((fall * low) >>> 10)) >>> 10)) >>> 7;
  return (word & 1) === 0 ? magnitude : 0 - magnitude; // never -0, which no integer is
}
