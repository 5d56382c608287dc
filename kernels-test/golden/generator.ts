/**
 * The golden files hold results only: parameters and inputs come from this generator, the twin of generator.py.
 * Every tensor is in the file's layout (OIHW for convolutions, NCHW for pictures). README.md has the definition.
 */
import { streamOf, uniforms } from "../../src/random";

/** `shift` is a batch norm's bias, `scale` its weight; `bias` belongs to a convolution or a linear layer. */
export type GoldenKind = "conv" | "linear" | "bias" | "scale" | "shift" | "running_mean" | "running_var";

export interface GoldenOptions {
  readonly seed?: number;
  /** Factor on the bound of linear weights. */
  readonly linearGain?: number;
  /** Least bias of a batch norm. */
  readonly shift?: number;
}

const SAMPLES = 16;
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** What a tensor of a state dict is, from its name, its rank and its neighbours' names. */
export function goldenKind(
  name: string,
  fileShape: readonly number[],
  names: { has(name: string): boolean },
): GoldenKind {
  const dot = name.lastIndexOf(".");
  const leaf = name.slice(dot + 1);
  if (leaf === "running_mean" || leaf === "running_var") return leaf;
  if (leaf === "bias") return names.has(`${name.slice(0, dot)}.running_mean`) ? "shift" : "bias";
  return fileShape.length === 1 ? "scale" : fileShape.length === 2 ? "linear" : "conv";
}

/** A tensor of the state dict in the file's layout: computed in f64, rounded once. */
export function goldenParameter(
  name: string,
  fileShape: readonly number[],
  kind: GoldenKind,
  { seed = 1, linearGain = 1, shift = 0.25 }: GoldenOptions = {},
): Float32Array<ArrayBuffer> {
  const size = sizeOf(fileShape);
  if (kind === "running_mean") return new Float32Array(size);
  if (kind === "running_var") return new Float32Array(size).fill(1);
  const values = uniforms(seed, streamOf(name), size);
  if (kind === "scale" || kind === "shift") {
    const least = kind === "scale" ? 0.5 : shift;
    for (let i = 0; i < size; i++) values[i] = (values[i] ?? 0) + least;
    return values;
  }
  const fanIn = sizeOf(fileShape.slice(1));
  const bound = kind === "bias" ? 0.1 : Math.sqrt(6 / fanIn) * (kind === "linear" ? linearGain : 1);
  for (let i = 0; i < size; i++) values[i] = ((values[i] ?? 0) * 2 - 1) * bound;
  return values;
}

/** The whole state dict of a list of names and shapes, such as state-dicts/*.json hold. */
export function goldenState(
  tensors: Iterable<readonly [name: string, fileShape: readonly number[], ...rest: unknown[]]>,
  options: GoldenOptions = {},
): Map<string, Float32Array<ArrayBuffer>> {
  const list = [...tensors];
  const names = new Set(list.map(([name]) => name));
  return new Map(
    list.map(([name, shape]) => [
      name,
      goldenParameter(name, shape, goldenKind(name, shape, names), options),
    ]),
  );
}

/** A batch of pictures in [-1, 1); `shape` is N C H W and so is the order of the values. */
export function goldenImage(shape: readonly number[], seed = 1): Float32Array<ArrayBuffer> {
  return uniforms(seed, streamOf("image"), sizeOf(shape)).map((u) => u * 2 - 1);
}

export function goldenLabels(batch: number, classes: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: batch }, (_, i) => (7 * i + 3) % classes);
}

/** The flat indices (file layout) at which a tensor is looked at: all of a small one, else 16 drawn ones. */
export function goldenSamples(name: string, size: number, seed = 1): number[] {
  if (size <= SAMPLES) return Array.from({ length: size }, (_, i) => i);
  return Array.from(uniforms(seed, streamOf(`${name}#samples`), SAMPLES), (u) => Math.floor(u * size));
}
