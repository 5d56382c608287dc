import { extname } from "node:path";
import { writeFileAtomic } from "../io/atomic-file";
import { float32Tensor, toFloat32 } from "../io/dtypes";
import { InputError } from "../io/errors";
import { fileShape, toEngine, toFile } from "../io/layout";
import { readInputFile } from "../io/read-file";
import { parseSafetensors, type SafetensorsTensor, safetensorsChunks } from "../io/safetensors";
import type { State, VariableInfo } from "../state";
import { type CheckpointInfo, formatInfo, METADATA_KEY, parseInfo } from "./checkpoint-info";

/** Optimizer slots stand behind this prefix, so that the other names are the model's state dict and nothing else. */
const SLOT_PREFIX = "optimizer.";

/** A checkpoint or a plain file of weights, in memory. */
export interface Checkpoint {
  readonly file: string;
  /** What a file written by Striate says of itself; undefined for a file of weights from elsewhere. */
  readonly info: CheckpointInfo | undefined;
  /** By state-dict name, in the file's layout; optimizer slots begin with "optimizer.". */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
}

/** Weights that do not fit the model; the lists are complete. */
export class CheckpointMismatchError extends InputError {
  override name = "CheckpointMismatchError";

  constructor(
    message: string,
    readonly report: LoadReport,
  ) {
    super(message);
  }
}

/** What became of each name when weights were loaded. */
export interface LoadReport {
  readonly loaded: readonly string[];
  /** Names that the model has and the file does not: they keep their values. */
  readonly missing: readonly string[];
  /** Names that the file has and the model does not. */
  readonly unexpected: readonly string[];
  /** Names whose shapes differ, both in the file's layout: they keep their values. */
  readonly misshapen: readonly Misshapen[];
}

export interface Misshapen {
  readonly name: string;
  readonly found: readonly number[];
  readonly expected: readonly number[];
}

export interface LoadOptions {
  /** Throw unless every name fits; true if not given. With false, what fits is loaded and the rest reported. */
  readonly strict?: boolean | undefined;
  /** Load the optimizer's slots, too, as resuming needs; false if not given. */
  readonly slots?: boolean | undefined;
  /** Names of the file that may be left unused: parts that only training has. */
  readonly unused?: ((name: string) => boolean) | undefined;
}

/**
 * Writes parameters, running statistics and optimizer slots as safetensors, atomically, under the names and in the
 * layouts of PyTorch's state dicts (other programs read the file; the rest of what is needed is in its metadata).
 * Equal states and facts give equal bytes.
 *
 * @param files one file, or several that get the same bytes
 * @param info what `train`, `eval` and `classify` need of it; without, it is a plain file of weights and slots
 * @example await saveCheckpoint("last.safetensors", step.state, info);
 * @throws InputError when a value is not finite (nothing is written then) or a file cannot be written
 */
export async function saveCheckpoint(
  files: string | readonly string[],
  state: State,
  info?: CheckpointInfo,
): Promise<void> {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const variable of state.variables()) {
    const values = await state.read(variable.name);
    const bad = notFinite(values);
    if (bad > 0)
      throw new InputError(
        `${variable.name}: ${bad} of ${values.length} values are not finite; no checkpoint is written`,
      );
    const { data, shape } = toFile(values, variable.shape, variable.layout);
    tensors.set(fileName(variable), float32Tensor(shape, data));
  }
  const pieces = safetensorsChunks(tensors, {
    format: "pt",
    ...(info === undefined ? {} : { [METADATA_KEY]: formatInfo(info) }),
  });
  for (const file of typeof files === "string" ? [files] : files) await writeFileAtomic(file, pieces);
}

/** How many values are NaN or infinite. */
export const notFinite = (values: Float32Array): number =>
  values.reduce((count, value) => (Number.isFinite(value) ? count : count + 1), 0);

/**
 * Reads a checkpoint, or weights from elsewhere, into memory.
 *
 * @throws InputError for a file that is no safetensors file, a pickle among them (.pt, .pth: the message holds the
 *   line that converts it)
 * @example const { info, tensors } = await readCheckpoint("checkpoints/last.safetensors");
 */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  const bytes = await readInputFile(file);
  if (isPickle(file, bytes)) throw new InputError(pickleMessage(file));
  const { tensors, metadata } = parseSafetensors(bytes, file);
  const text = metadata[METADATA_KEY];
  return { file, tensors, info: text === undefined ? undefined : parseInfo(text, file) };
}

/**
 * A pickle by its first bytes (protocol 2 and up, or PyTorch's zip around one), or by its name; never what begins as a
 * safetensors file does, whose header follows eight bytes of length.
 */
function isPickle(file: string, bytes: Uint8Array): boolean {
  if (bytes[8] === "{".charCodeAt(0)) return false;
  const [a, b, c, d] = bytes;
  const isZip = a === 0x50 && b === 0x4b && c === 3 && d === 4;
  return isZip || (a === 0x80 && b !== undefined && b >= 2 && b <= 5) || isPickleName(file);
}

const isPickleName = (file: string): boolean =>
  [".pt", ".pth", ".pkl", ".pickle", ".ckpt"].includes(extname(file).toLowerCase());

function pickleMessage(file: string): string {
  const to = `${isPickleName(file) ? file.slice(0, -extname(file).length) : file}.safetensors`;
  const python = [
    "import torch, safetensors.torch as s",
    `d = torch.load(${JSON.stringify(file)}, map_location="cpu", weights_only=True)`,
    `s.save_file({k: v.contiguous() for k, v in d.items()}, ${JSON.stringify(to)})`,
  ].join("; ");
  return `${file}: a pickle (.pt, .pth) is refused, because loading one can run any code; convert it: python3 -c ${shellQuoted(python)}`;
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Puts a file's weights into a state whose variables exist, that is after `compile`. In strict mode nothing is
 * written unless everything fits.
 *
 * @throws CheckpointMismatchError listing every missing, unexpected and misshapen name
 * @example
 * // Transfer learning: everything but the head, which has another number of classes.
 * const { missing, misshapen } = loadWeights(await readCheckpoint(file), step.state, { strict: false });
 */
export function loadWeights(checkpoint: Checkpoint, state: State, options: LoadOptions = {}): LoadReport {
  const { strict = true, slots = false, unused = () => false } = options;
  const { file, tensors } = checkpoint;
  const wanted = state.variables().filter(({ role }) => slots || role !== "slot");
  const loaded: string[] = [];
  const missing: string[] = [];
  const unexpected: string[] = [];
  const misshapen: Misshapen[] = [];
  const fitting: { readonly variable: VariableInfo; readonly tensor: SafetensorsTensor }[] = [];
  for (const variable of wanted) {
    const name = fileName(variable);
    const tensor = tensors.get(name);
    const expected = fileShape(variable.shape, variable.layout);
    if (tensor === undefined) missing.push(name);
    else if (tensor.shape.join() !== expected.join()) misshapen.push({ name, found: tensor.shape, expected });
    else fitting.push({ variable, tensor });
  }
  const known = new Set(wanted.map(fileName));
  for (const name of tensors.keys())
    if (!known.has(name) && !isLeftOut(name, slots) && !unused(name)) unexpected.push(name);
  const report: LoadReport = { loaded, missing, unexpected, misshapen };
  if (strict && missing.length + unexpected.length + misshapen.length > 0)
    throw new CheckpointMismatchError(mismatchMessage(file, report), report);
  for (const { variable, tensor } of fitting) {
    const name = fileName(variable);
    const values = toFloat32(tensor, name);
    state.write(variable.name, toEngine(values, tensor.shape, variable.layout).data);
    loaded.push(name);
  }
  return report;
}

/** Optimizer slots where they are not asked for, and PyTorch's batch counters, which nothing here depends on. */
const isLeftOut = (name: string, slots: boolean): boolean =>
  (!slots && name.startsWith(SLOT_PREFIX)) || name.endsWith(".num_batches_tracked");

const fileName = ({ name, role }: VariableInfo): string =>
  role === "slot" && !name.startsWith(SLOT_PREFIX) ? `${SLOT_PREFIX}${name}` : name;

function mismatchMessage(file: string, { missing, unexpected, misshapen }: LoadReport): string {
  const shapes = misshapen.map(
    ({ name, found, expected }) => `${name} [${found.join(", ")}], the model wants [${expected.join(", ")}]`,
  );
  const parts = [
    missing.length > 0 ? `missing: ${missing.join(", ")}` : "",
    unexpected.length > 0 ? `unexpected: ${unexpected.join(", ")}` : "",
    shapes.length > 0 ? `other shapes: ${shapes.join("; ")}` : "",
  ];
  return `${file}: the weights are of another model; ${parts.filter((part) => part !== "").join("; ")}`;
}
