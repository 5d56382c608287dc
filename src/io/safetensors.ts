import { InputError, quoted } from "./errors";
import { type Json, JsonError, JsonNumber, parseStrictJson } from "./strict-json";

/**
 * Bits of an element, in the order in which the reference writer lays tensors out: descending by this list, then
 * ascending by name, so that the widest types come first and everything is aligned.
 */
const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type SafetensorsDtype = keyof typeof DTYPE_BITS;

/** One tensor of a file: row-major, little-endian; `data` is a view, never a copy. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface Safetensors {
  /** In the order of their data in the file. */
  readonly tensors: Map<string, SafetensorsTensor>;
  readonly metadata: Record<string, string>;
}

interface Entry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

const METADATA = "__metadata__";
const MAX_HEADER = 100_000_000;
const DTYPES = Object.keys(DTYPE_BITS);

function isDtype(name: Json | undefined): name is SafetensorsDtype {
  return typeof name === "string" && Object.hasOwn(DTYPE_BITS, name);
}

/**
 * Reads a safetensors file that is in memory. Tensors are views into `bytes`, so the file is held once; keep
 * `bytes` unchanged while they are in use. Every rule of the reference validator holds (header size and syntax,
 * dtypes, overflow, no overlap, no hole, no trailing bytes), and two that it leaves out: no duplicate keys, and
 * the header starts with "{".
 *
 * @param file named in errors
 * @throws InputError with one line that names the file, the rule and the tensor
 * @see https://github.com/huggingface/safetensors#format
 * @example const { tensors } = parseSafetensors(bytes, "model.safetensors"); tensors.get("conv1.weight")?.shape
 */
export function parseSafetensors(bytes: Uint8Array, file: string): Safetensors {
  refusePickle(bytes, file);
  const fail = (rule: string): never => {
    throw new InputError(`${file}: not a valid safetensors file: ${rule}`);
  };
  if (bytes.length < 8) fail(`8 bytes of header size were expected, the file has ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerSize = view.getBigUint64(0, true);
  if (headerSize > BigInt(MAX_HEADER))
    fail(`the header says that it has ${headerSize} bytes, over the limit of ${MAX_HEADER}`);
  const dataStart = 8 + Number(headerSize);
  if (dataStart > bytes.length)
    fail(`the header says that it has ${headerSize} bytes, past the file's end (${bytes.length} bytes)`);

  const { entries, metadata } = readHeader(bytes.subarray(8, dataStart), fail);
  checkCoverage(entries, bytes.length - dataStart, fail);

  const tensors = new Map<string, SafetensorsTensor>();
  for (const { name, dtype, shape, begin, end } of entries)
    tensors.set(name, { dtype, shape, data: bytes.subarray(dataStart + begin, dataStart + end) });
  return { tensors, metadata };
}

type Fail = (rule: string) => never;

function readHeader(bytes: Uint8Array, fail: Fail): { entries: Entry[]; metadata: Record<string, string> } {
  if (bytes[0] !== 0x7b) fail('the header does not start with "{"');
  let header: Json;
  try {
    header = parseStrictJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (error instanceof JsonError) return fail(`the header is not JSON: ${error.message}`);
    return fail("the header is not UTF-8");
  }
  if (!(header instanceof Map)) return fail("the header is not a JSON object");

  let metadata: Record<string, string> = {};
  const entries: Entry[] = [];
  for (const [name, value] of header) {
    if (name === METADATA) metadata = readMetadata(value, fail);
    else entries.push(readEntry(name, value, (rule) => fail(`tensor ${quoted(name)}: ${rule}`)));
  }
  return { entries, metadata };
}

function readMetadata(value: Json, fail: Fail): Record<string, string> {
  if (value === null) return {};
  if (!(value instanceof Map)) return fail(`${METADATA} is not an object`);
  const pairs: [string, string][] = [];
  for (const [key, text] of value) {
    if (typeof text !== "string") return fail(`${METADATA}: ${quoted(key)} is not a string`);
    pairs.push([key, text]);
  }
  return Object.fromEntries(pairs); // own properties, also for a key such as __proto__
}

function readEntry(name: string, value: Json, fail: Fail): Entry {
  if (!(value instanceof Map)) return fail("its entry is not an object with dtype, shape and data_offsets");
  const dtype = value.get("dtype");
  if (!isDtype(dtype))
    return fail(
      typeof dtype === "string"
        ? `unknown dtype ${quoted(dtype)}, expected one of ${DTYPES.join(" ")}`
        : "dtype is missing or not a string",
    );
  const shape = readIntegers(value.get("shape"), "shape", fail);
  const [begin, end, ...rest] = readIntegers(value.get("data_offsets"), "data_offsets", fail);
  if (begin === undefined || end === undefined || rest.length > 0)
    return fail(`data_offsets has ${countOf(value.get("data_offsets"))} numbers, expected 2`);
  if (end < begin) return fail(`data_offsets [${begin}, ${end}] end before they begin`);

  const size = byteSize(dtype, shape);
  if (size === undefined) return fail(`overflow: shape [${shape.join(", ")}] of ${dtype} has too many bytes`);
  if (!Number.isInteger(size))
    return fail(`shape [${shape.join(", ")}] of ${dtype} does not fill whole bytes`);
  if (size !== end - begin)
    return fail(
      `shape [${shape.join(", ")}] of ${dtype} is ${size} bytes, data_offsets [${begin}, ${end}] hold ${end - begin}`,
    );
  return { name, dtype, shape, begin, end };
}

function readIntegers(value: Json | undefined, field: string, fail: Fail): number[] {
  if (!Array.isArray(value)) return fail(`${field} is missing or not an array`);
  return value.map((item) => {
    if (!(item instanceof JsonNumber)) return fail(`${field} holds something other than unsigned integers`);
    if (item.unsigned !== undefined) return item.unsigned;
    return /^\d+$/.test(item.text)
      ? fail(`overflow: ${field} holds ${item.text.slice(0, 40)}, over 2^53`)
      : fail(`${field} holds ${item.text.slice(0, 40)}, expected unsigned integers`);
  });
}

const countOf = (value: Json | undefined): number => (Array.isArray(value) ? value.length : 0);

/** Bytes of a tensor, possibly fractional for sub-byte types; undefined where the product overflows. */
function byteSize(dtype: SafetensorsDtype, shape: readonly number[]): number | undefined {
  let bits: number = DTYPE_BITS[dtype];
  for (const size of shape) {
    bits *= size;
    if (bits > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return bits / 8;
}

/** Sorts by offset, then: each tensor begins where the one before it ended, and the last ends with the file. */
function checkCoverage(entries: Entry[], dataBytes: number, fail: Fail): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let previous = "";
  for (const { name, begin, end } of entries) {
    const where = `tensor ${quoted(name)}: data_offsets [${begin}, ${end}]`;
    if (begin < covered) fail(`${where} overlap ${previous}, which ends at ${covered}`);
    if (begin > covered) fail(`${where} leave a hole after byte ${covered}`);
    if (end > dataBytes)
      fail(`${where} reach past the ${dataBytes} bytes of data; the file is damaged or was cut off`);
    covered = end;
    previous = `tensor ${quoted(name)}`;
  }
  if (covered < dataBytes)
    fail(`${dataBytes - covered} trailing bytes belong to no tensor (the last one ends at ${covered})`);
}

/** A zip or a pickle is what `torch.save` writes; reading one runs whatever program it holds. */
function refusePickle(bytes: Uint8Array, file: string): void {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = bytes;
  const zip = b0 === 0x50 && b1 === 0x4b && b2 === 0x03 && b3 === 0x04;
  const pickle = b0 === 0x80 && b1 >= 2 && b1 <= 5;
  // Either could also be the size of a header, of at least 33 kB; JSON right after it settles the matter.
  if (!/\.(pt|pth|ckpt|pkl|pickle)$/i.test(file) && (!(zip || pickle) || bytes[8] === 0x7b)) return;
  const target = file.replace(/\.[^./\\]*$/, "").replaceAll("'", "");
  throw new InputError(
    `${file}: refused: a PyTorch pickle is an unsafe format (reading it can run code); convert it with: ` +
      `python -c "import torch; from safetensors.torch import save_file; ` +
      `save_file({k: v.contiguous() for k, v in torch.load('${file.replaceAll("'", "\\'")}', map_location='cpu', weights_only=True).items()}, ` +
      `'${target}.safetensors')"`,
  );
}

/**
 * The file as pieces to be written one after the other: the header, then each tensor's own bytes, uncopied.
 * The same tensors and metadata give the same bytes, whatever order the maps are in; they are the bytes that the
 * reference implementation writes: widest dtype first, then by name, the header padded with spaces to 8.
 *
 * @throws InputError when a tensor's bytes are not its shape × dtype, or its name is `__metadata__`
 */
export function safetensorsChunks(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const header: [string, unknown][] = [];
  const pairs = Object.entries(metadata).sort(byKey);
  if (pairs.length > 0) header.push([METADATA, Object.fromEntries(pairs)]);

  const chunks: Uint8Array[] = [];
  let offset = 0;
  const ordered = [...tensors].sort(
    (a, b) => DTYPES.indexOf(b[1].dtype) - DTYPES.indexOf(a[1].dtype) || byKey(a, b),
  );
  for (const [name, { dtype, shape, data }] of ordered) {
    if (name === METADATA) throw new InputError(`safetensors: a tensor cannot be named ${METADATA}`);
    const size = byteSize(dtype, shape);
    if (size !== data.byteLength)
      throw new InputError(
        `safetensors: tensor ${quoted(name)}: shape [${shape.join(", ")}] of ${dtype} is ${size ?? "too many"} bytes, ` +
          `its data has ${data.byteLength}`,
      );
    header.push([name, { dtype, shape, data_offsets: [offset, offset + size] }]);
    chunks.push(data);
    offset += size;
  }
  // By hand, not from an object: an object would move names like "0" to the front.
  const json = header.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",");
  const text = new TextEncoder().encode(`{${json}}`);
  const padded = Math.ceil(text.length / 8) * 8;
  if (padded > MAX_HEADER)
    throw new InputError(
      `safetensors: the header would have ${padded} bytes, over the limit of ${MAX_HEADER}`,
    );
  const head = new Uint8Array(8 + padded).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(text, 8);
  return [head, ...chunks];
}

/**
 * The whole file in one piece; for large ones `safetensorsChunks` spares the copy.
 *
 * @example serializeSafetensors(new Map([["w", float32Tensor([2], new Float32Array([1, 2]))]]), { format: "pt" })
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const chunks = safetensorsChunks(tensors, metadata);
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
