import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toFloat32, uint32Tensor } from "./dtypes";
import type { SafetensorsDtype } from "./safetensors";

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const read = (dtype: SafetensorsDtype, array: ArrayBufferView): number[] => [
  ...toFloat32({ dtype, shape: [], data: bytesOf(array) }),
];

/** The definition of binary16, in doubles. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

describe("toFloat32", () => {
  it("converts all 65,536 half-precision values exactly, the sign of zero included", () => {
    const values = read(
      "F16",
      Uint16Array.from({ length: 65_536 }, (_, bits) => bits),
    );
    const wrong = values.findIndex((value, bits) => !Object.is(value, half(bits)));
    expect(wrong).toBe(-1);
  });

  it("converts bfloat16, f64 and integers", () => {
    expect(read("BF16", Uint16Array.of(0x3f80, 0xc020, 0x7f80, 0x8000))).toEqual([
      1,
      -2.5,
      Number.POSITIVE_INFINITY,
      -0,
    ]);
    expect(read("F64", Float64Array.of(0.1, 1e300))).toEqual([Math.fround(0.1), Number.POSITIVE_INFINITY]);
    expect(read("I64", BigInt64Array.of(-3n, 16_777_217n))).toEqual([-3, 16_777_216]);
    expect(read("U64", BigUint64Array.of(7n))).toEqual([7]);
    expect(read("I32", Int32Array.of(-5))).toEqual([-5]);
    expect([...toFloat32(uint32Tensor([1], Uint32Array.of(5)))]).toEqual([5]);
    expect(read("I16", Int16Array.of(-5))).toEqual([-5]);
    expect(read("U16", Uint16Array.of(65_535))).toEqual([65_535]);
    expect(read("I8", Int8Array.of(-5))).toEqual([-5]);
    expect(read("U8", Uint8Array.of(200))).toEqual([200]);
  });

  it("returns the bits of an f32 unchanged, at any alignment", () => {
    fc.assert(
      fc.property(fc.float32Array(), fc.nat(3), (values, shift) => {
        const moved = new Uint8Array(values.byteLength + shift);
        moved.set(bytesOf(values), shift);
        const back = toFloat32({ dtype: "F32", shape: [], data: moved.subarray(shift) });
        expect(bytesOf(back)).toEqual(bytesOf(values));
      }),
    );
  });

  it("refuses types that have no conversion", () => {
    expect(() => toFloat32({ dtype: "F8_E4M3", shape: [1], data: new Uint8Array(1) }, "fc.weight")).toThrow(
      '"fc.weight" has dtype F8_E4M3, which has no conversion to f32; store it as F32, F16 or BF16',
    );
  });
});
