/** Reads the golden files and says where a network misses them. README.md explains the fields. */
import { readFileSync } from "node:fs";
import { goldenSamples } from "./generator";

/** What is recorded of one tensor; `error` is PyTorch f32's own: of the norm, of the samples, of any entry. */
export interface GoldenFigure {
  readonly norm: number;
  readonly samples: readonly number[];
  readonly error: readonly [norm: number, samples: number, whole: number];
}

/** Logits (batch × classes, flat) or the loss; `error` is PyTorch f32's largest. */
export interface GoldenOutput {
  readonly values: readonly number[];
  readonly error: number;
}

export interface GoldenPhase {
  readonly outputs: Readonly<Record<string, GoldenOutput>>;
  readonly gradients?: Readonly<Record<string, GoldenFigure>>;
  readonly statistics?: Readonly<Record<string, GoldenFigure>>;
  readonly parameters?: Readonly<Record<string, GoldenFigure>>;
}

export interface GoldenSetup {
  readonly network: string;
  readonly source: string;
  readonly torch: string;
  /** N C H W */
  readonly image: readonly [number, number, number, number];
  readonly labels: readonly number[];
  readonly classes: number;
  readonly momentum: number;
  /** Width of the two hidden linear layers of AlexNet, ZFNet and VGG: 4096 unless narrowed. */
  readonly hidden: number;
  /** Weight of the auxiliary losses; 0 where the network is built without them. */
  readonly aux: number;
  readonly steps: number;
  readonly lr: number;
  readonly linearGain: number;
  readonly shift: number;
  readonly seed: number;
}

export interface Golden {
  readonly setup: GoldenSetup;
  readonly first: GoldenPhase;
  readonly "step 2"?: GoldenPhase;
  readonly "step 3"?: GoldenPhase;
  readonly after?: GoldenPhase;
  readonly inference?: GoldenPhase;
}

export interface StateDictFixture {
  readonly model: string;
  readonly source: string;
  readonly parameters: number;
  readonly tensors: readonly (readonly [name: string, shape: readonly number[], buffer?: "buffer"])[];
}

const readJson = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));

/** @example readGolden("resnet50") */
export const readGolden = (name: string): Golden => readJson(`./${name}.json`);

/** Names and shapes at 1000 classes (LeNet-5: 10). @example readStateDict("resnet50") */
export const readStateDict = (name: string): StateDictFixture => readJson(`./state-dicts/${name}.json`);

/** How many times PyTorch f32's own error is allowed. */
const TIMES = 4;
/** PyTorch's error may be zero by luck: as much of a figure's own size, and of a tenth of its group's largest. */
const SLACK = 2 ** -22;
const slack = (own: number, largest: number): number => SLACK * (own + 0.1 * largest);

const largestOf = (values: Iterable<number>): number => {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
};

/** One line for each output (logits, auxiliary logits, loss) that is further off than allowed; `actual` by name. */
export function missedOutputs(
  expected: Readonly<Record<string, GoldenOutput>>,
  actual: ReadonlyMap<string, ArrayLike<number>>,
): string[] {
  const missed: string[] = [];
  for (const [name, { values, error }] of Object.entries(expected)) {
    const got = actual.get(name);
    if (got?.length !== values.length) {
      missed.push(`${name}: ${got?.length ?? "no"} values, expected ${values.length}`);
      continue;
    }
    const size = largestOf(values);
    report(
      missed,
      name,
      largestOf(values.map((value, i) => value - (got[i] ?? Number.NaN))),
      error,
      slack(size, size),
    );
  }
  return missed;
}

/**
 * One line for each tensor whose norm or samples are further off than allowed. Values are in the file's layout.
 * For parameters after the steps give the `start` (goldenState): their norm is that of the change.
 */
export function missedTensors(
  expected: Readonly<Record<string, GoldenFigure>>,
  actual: ReadonlyMap<string, Float32Array>,
  { seed, start }: { seed: number; start?: ReadonlyMap<string, Float32Array> },
): string[] {
  const missed: string[] = [];
  const figures = Object.entries(expected);
  const largestNorm = largestOf(figures.map(([, figure]) => figure.norm));
  const largestSample = largestOf(figures.flatMap(([, figure]) => figure.samples));
  for (const [name, { norm, samples, error }] of figures) {
    const got = actual.get(name);
    if (got === undefined) {
      missed.push(`${name}: missing`);
      continue;
    }
    const from = start?.get(name);
    let squares = 0;
    for (let i = 0; i < got.length; i++) squares += ((got[i] ?? 0) - (from?.[i] ?? 0)) ** 2;
    report(missed, `${name} norm`, Math.sqrt(squares) - norm, error[0], slack(norm, largestNorm));
    const at = goldenSamples(name, got.length, seed);
    const off = largestOf(samples.map((value, i) => value - (got[at[i] ?? 0] ?? Number.NaN)));
    report(missed, `${name} samples`, off, error[2], slack(largestOf(samples), largestSample));
  }
  return missed;
}

function report(missed: string[], what: string, off: number, error: number, floor: number): void {
  const allowed = TIMES * error + floor;
  if (!(Math.abs(off) <= allowed))
    missed.push(
      `${what}: off by ${Math.abs(off).toExponential(1)}, allowed ${allowed.toExponential(1)} (PyTorch f32 ${error.toExponential(1)})`,
    );
}
