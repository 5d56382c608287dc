import { formatBytes, LimitError } from "../errors";
import type { Sizes } from "../kernel";
import type { Binding, Program } from "../source";
import { bytesOf, bytesPerElement, sizeOf, type Tensor } from "../tensor";
import type { SelectedStep } from "./step";

/** Part of a tensor's data: `bytes` from `offset` of the tensor's segment number `segment`. */
export interface Slice {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
}

/** One dispatch of a step: the sizes that its kernel sees and the part of each binding that it may touch. */
export interface Window {
  readonly sizes: Sizes;
  readonly slices: readonly Slice[];
}

export interface WindowLimits {
  readonly maxStorageBufferBindingSize: number;
  /** 256 bytes everywhere; some adapters allow less. */
  readonly minStorageBufferOffsetAlignment: number;
}

/** A step binds more than the adapter can, along an axis that it cannot be cut on. */
export class WindowError extends LimitError {
  override readonly name = "WindowError";
}

/**
 * Cuts a step whose bindings exceed the adapter's limit, or lie in several buffers, into windows along the outermost
 * axis of the large tensors. Tensors that begin with that axis are bound slice by slice, the others whole; the kernel
 * sees a smaller axis and knows nothing of it. Elementwise steps are cut anywhere between rows. Where the outputs are
 * sums over the axis, the windows add up one after the other (`PART` of `PARTS`).
 *
 * @param segments bytes of each part of a tensor's data, one for all but the largest tensors
 */
export function windows(
  step: SelectedStep,
  program: Program,
  segments: (tensor: Tensor) => readonly number[],
  limits: WindowLimits,
): Window[] {
  const { bindings } = program;
  const { sizes } = step.node;
  const limit = limits.maxStorageBufferBindingSize;
  const tooLarge = (b: Binding) => bytesOf(b.tensor) > limit || segments(b.tensor).length > 1;
  const large = bindings.find(tooLarge);
  if (large === undefined) {
    return [
      { sizes, slices: bindings.map(({ tensor }) => ({ segment: 0, offset: 0, bytes: bytesOf(tensor) })) },
    ];
  }
  const fail = (reason: string) =>
    new WindowError(
      `${program.label}: ${large.name} needs ${formatBytes(bytesOf(large.tensor))} and the adapter binds ${formatBytes(limit)} at a time; ${reason}; use a smaller batch or input${step.node.layer === "" ? "" : ` (layer ${step.node.layer})`}`,
      bytesOf(large.tensor),
      limit,
    );
  const cut = cutOf(step, bindings, large);
  if (cut === undefined) throw fail("its kernel cannot be cut along the outermost axis");
  const { rows, sliced, axis, sum } = cut;
  for (const b of bindings)
    if (!sliced.has(b.name) && tooLarge(b)) throw fail(`${b.name} cannot be cut along ${axis}`);

  // Every slice must begin at a legal binding offset.
  const aligned = bindings.reduce((step_, { name, tensor }) => {
    if (!sliced.has(name)) return step_;
    const rowBytes = bytesOf(tensor) / rows;
    const { minStorageBufferOffsetAlignment: align } = limits;
    return lcm(step_, align / gcd(align, rowBytes));
  }, 1);
  const widest = Math.max(...bindings.filter((b) => sliced.has(b.name)).map((b) => bytesOf(b.tensor) / rows));
  const most = Math.floor(limit / widest / aligned) * aligned;
  if (most === 0) throw fail(`one row of ${axis} is ${formatBytes(widest * aligned)}`);

  const result: Window[] = [];
  const output = sum ? undefined : bindings.find((b) => b.access === "read_write" && sliced.has(b.name));
  const perRow = output === undefined ? undefined : sizeOf(output.tensor.shape) / rows;
  for (let begin = 0; begin < rows; ) {
    let end = Math.min(rows, begin + most);
    for (const b of bindings) {
      if (sliced.has(b.name))
        end = Math.min(end, segmentEnd(segments(b.tensor), bytesOf(b.tensor) / rows, begin));
    }
    if (end < rows && end % aligned !== 0) end = Math.max(begin, Math.floor(end / aligned) * aligned);
    if (end <= begin) throw fail(`its parts meet at row ${begin}, which is not aligned`);
    const count = end - begin;
    result.push({
      sizes: {
        ...sizes,
        ...(axis === undefined ? {} : { [axis]: count }),
        ...(perRow === undefined ? {} : { SIZE: perRow * count, BASE: perRow * begin }),
      },
      slices: bindings.map((b) => {
        const bytes = bytesOf(b.tensor);
        return sliced.has(b.name)
          ? slice(segments(b.tensor), (bytes / rows) * begin, (bytes / rows) * count)
          : { segment: 0, offset: 0, bytes };
      }),
    });
    begin = end;
  }
  if (sum) return result.map((w, PART) => ({ ...w, sizes: { ...w.sizes, PART, PARTS: result.length } }));
  return result;
}

/** Which bindings are cut, into how many rows; an elementwise step has no axis of its own. */
function cutOf(step: SelectedStep, bindings: readonly Binding[], large: Binding) {
  const { node, epilogue, context } = step;
  const { op } = node;
  const fused = new Set<string>();
  for (const b of bindings) {
    const match = /^e(\d+)_(.+)$/.exec(b.name);
    const owner = match === null ? undefined : epilogue[Number(match[1])];
    if (owner !== undefined && match !== null && owner.op.operandKinds[match[2] ?? ""] === "full")
      fused.add(b.name);
  }
  if (op.elementwise !== undefined) {
    const full = new Set([...fused, ...Object.keys(op.outputs)]);
    for (const [name, kind] of Object.entries(op.operandKinds)) if (kind === "full") full.add(name);
    const size = sizeOf(large.tensor.shape);
    // Without an operand by channel, four elements (a vec4) are as good a row as any.
    const unit = context.usesChannel ? (large.tensor.shape.at(-1) ?? 1) : size % 4 === 0 ? 4 : 1;
    return { axis: undefined, rows: size / unit, sliced: full as ReadonlySet<string>, sum: false };
  }
  const signatures = Object.entries({ ...op.inputs, ...op.outputs });
  if (signatures.some(([, { anyRank }]) => anyRank)) {
    // "... C": the op works row by row over its leading axes, unless an output has none of them.
    if (Object.values(op.outputs).some(({ anyRank }) => !anyRank)) return undefined;
    const leading = signatures.filter(([, { anyRank }]) => anyRank).map(([name]) => name);
    const [first = ""] = Object.keys(op.outputs);
    const own = op.outputs[first]?.axes.length ?? 0;
    const { shape } = node.outputs[first] as Tensor;
    const rows = sizeOf(shape.slice(0, shape.length - own));
    return {
      axis: undefined,
      rows,
      sliced: new Set([...leading, ...fused]) as ReadonlySet<string>,
      sum: false,
    };
  }
  const outer = (name: string) => (op.inputs[name] ?? op.outputs[name])?.axes[0];
  const axis = fused.has(large.name)
    ? outer(Object.keys(op.outputs)[0] ?? "")?.name
    : outer(large.name)?.name;
  const rows = axis === undefined ? undefined : node.sizes[axis];
  if (axis === undefined || rows === undefined) return undefined;
  const sliced = new Set<string>();
  for (const [name, { axes }] of signatures) {
    if (axes[0]?.name === axis && axes[0].divisor === undefined) sliced.add(name);
    else if (axes.some((a) => a.name === axis)) return undefined;
  }
  const outputs = Object.keys(op.outputs).filter((name) => sliced.has(name)).length;
  if (outputs === Object.keys(op.outputs).length) {
    return { axis, rows, sliced: new Set([...sliced, ...fused]) as ReadonlySet<string>, sum: false };
  }
  // Outputs without the axis are written by every window: that is right only where they are sums over it.
  if (outputs > 0 || op.sumOver !== axis) return undefined;
  return { axis, rows, sliced: sliced as ReadonlySet<string>, sum: true };
}

/** The first row past the segment that row `begin` lies in. */
function segmentEnd(parts: readonly number[], rowBytes: number, begin: number): number {
  let end = 0;
  for (const bytes of parts) {
    end += bytes;
    if (end > begin * rowBytes) return Math.floor(end / rowBytes);
  }
  return begin;
}

function slice(parts: readonly number[], begin: number, bytes: number): Slice {
  let start = 0;
  for (const [segment, size] of parts.entries()) {
    if (begin < start + size) return { segment, offset: begin - start, bytes };
    start += size;
  }
  throw new Error(`byte ${begin} lies past the tensor's ${start}`);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const lcm = (a: number, b: number): number => (a / gcd(a, b)) * b;

/** Bytes of an element row of the outermost axis: where memory may be cut between buffers. */
export const outerRowBytes = (t: Tensor): number =>
  bytesOf(t) / Math.max(1, t.shape[0] ?? 1) || bytesPerElement(t.dtype);
