import { InputError, quoted } from "./errors";
import type { SafetensorsTensor } from "./safetensors";

// Files are little-endian, and so is every machine on which WebGPU exists; typed arrays read them directly.

/** A tensor over the array's own bytes, uncopied. */
export function float32Tensor(shape: readonly number[], values: Float32Array): SafetensorsTensor {
  return { dtype: "F32", shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/** A tensor over the array's own bytes, uncopied. */
export function uint32Tensor(shape: readonly number[], values: Uint32Array): SafetensorsTensor {
  return { dtype: "U32", shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/**
 * A tensor's values as f32. F32 data that lies on a multiple of 4 bytes comes back as a view of the file (do not
 * write to it); F16, BF16, F64 and integers are converted, F64 and 64-bit integers with rounding to the nearest.
 *
 * @throws InputError for BOOL, complex and 8-bit or narrower float types
 */
export function toFloat32(tensor: SafetensorsTensor, name = "tensor"): Float32Array {
  const { dtype, data } = tensor;
  switch (dtype) {
    case "F32":
      return new Float32Array(...aligned(data, 4));
    case "F64":
      return Float32Array.from(new Float64Array(...aligned(data, 8)));
    case "F16":
      return halves(new Uint16Array(...aligned(data, 2)));
    case "BF16":
      return brains(new Uint16Array(...aligned(data, 2)));
    case "U8":
      return Float32Array.from(data);
    case "I8":
      return Float32Array.from(new Int8Array(...aligned(data, 1)));
    case "I16":
      return Float32Array.from(new Int16Array(...aligned(data, 2)));
    case "U16":
      return Float32Array.from(new Uint16Array(...aligned(data, 2)));
    case "I32":
      return Float32Array.from(new Int32Array(...aligned(data, 4)));
    case "U32":
      return Float32Array.from(new Uint32Array(...aligned(data, 4)));
    case "I64":
      return Float32Array.from(new BigInt64Array(...aligned(data, 8)), Number);
    case "U64":
      return Float32Array.from(new BigUint64Array(...aligned(data, 8)), Number);
    default:
      throw new InputError(
        `${quoted(name)} has dtype ${dtype}, which has no conversion to f32; store it as F32, F16 or BF16`,
      );
  }
}

/** Buffer, offset and length of a typed-array view, over a copy where the file does not align the data. */
function aligned(data: Uint8Array, size: number): [buffer: ArrayBufferLike, offset: number, length: number] {
  const at = data.byteOffset % size === 0 ? data : data.slice();
  return [at.buffer, at.byteOffset, at.byteLength / size];
}

/** bfloat16 is the upper half of an f32. */
function brains(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] ?? 0) << 16;
  return new Float32Array(words.buffer);
}

/** IEEE 754 binary16 -> binary32, exactly: rebias the exponent (15 -> 127); subnormals are mantissa × 2^-24. */
function halves(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i] ?? 0;
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0) out[i] = (sign === 0 ? 1 : -1) * mantissa * 2 ** -24;
    else if (exponent === 0x1f) words[i] = sign | 0x7f800000 | (mantissa << 13);
    else words[i] = sign | ((exponent + 112) << 23) | (mantissa << 13);
  }
  return out;
}
