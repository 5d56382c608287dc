import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32Tensor, toFloat32 } from "./dtypes";
import { InputError } from "./errors";
import {
  parseSafetensors,
  type SafetensorsTensor,
  safetensorsChunks,
  serializeSafetensors,
} from "./safetensors";

/** A file from a header (an object, or text as it shall stand there) and so many bytes of data. */
function file(header: unknown, dataBytes = 0): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + json.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  return out;
}

function messageOf(bytes: Uint8Array, name = "m.safetensors"): string {
  try {
    parseSafetensors(bytes, name);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "accepted";
}

const f32 = (shape: number[], begin: number, end: number) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

// safetensors 0.8.0 (Python) wrote this from five tensors of different types, given in another order.
const REFERENCE = Uint8Array.from(
  atob(
    "YAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJibi5udW1fYmF0Y2hlc190cmFja2VkIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiY29udi53ZWlnaHQiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzEsMSwyLDNdLCJkYXRhX29mZnNldHMiOls4LDMyXX0sImIuYnJhaW4iOnsiZHR5cGUiOiJCRjE2Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzZdfSwiYS5oYWxmIjp7ImR0eXBlIjoiRjE2Iiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbMzYsNDJdfSwiMCI6eyJkdHlwZSI6IlU4Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbNDIsNDNdfX0gBwAAAAAAAAAAAAAAAACAPwAAAEAAAEBAAACAQAAAoECAPyDAADwAwAA4Aw==",
  ),
  (char) => char.charCodeAt(0),
);

describe("the reference implementation's file", () => {
  it("is read", () => {
    const { tensors, metadata } = parseSafetensors(REFERENCE, "m");
    const values = Object.fromEntries([...tensors].map(([name, t]) => [name, [...toFloat32(t, name)]]));
    expect(values).toEqual({
      "bn.num_batches_tracked": [7],
      "conv.weight": [0, 1, 2, 3, 4, 5],
      "b.brain": [1, -2.5],
      "a.half": [1, -2, 0.5],
      "0": [3],
    });
    expect(tensors.get("conv.weight")?.shape).toEqual([1, 1, 2, 3]);
    expect(metadata).toEqual({ format: "pt" });
  });

  it("is written, byte for byte, whatever order the tensors are in", () => {
    const { tensors, metadata } = parseSafetensors(REFERENCE, "m");
    expect(serializeSafetensors(tensors, metadata)).toEqual(REFERENCE);
    expect(serializeSafetensors(new Map([...tensors].reverse()), metadata)).toEqual(REFERENCE);
  });
});

const NOT = "m.safetensors: not a valid safetensors file: ";
const refused: [why: string, bytes: Uint8Array, message: string][] = [
  ["shorter than a header size", new Uint8Array(5), "8 bytes of header size were expected, the file has 5"],
  [
    "header over 100 MB",
    new Uint8Array([1, 0xe1, 0xf5, 5, 0, 0, 0, 0, 0x7b]),
    "the header says that it has 100000001 bytes, over the limit of 100000000",
  ],
  [
    "header size of 2^64 - 1",
    new Uint8Array(16).fill(0xff),
    "the header says that it has 18446744073709551615 bytes, over the limit of 100000000",
  ],
  [
    "header past the file",
    new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]),
    "the header says that it has 3 bytes, past the file's end (10 bytes)",
  ],
  ["empty header", file(""), 'the header does not start with "{"'],
  ["not an object", file("[]"), 'the header does not start with "{"'],
  ["space before the object", file(" {}"), 'the header does not start with "{"'],
  ["cut off", file('{"a"'), 'the header is not JSON: ":" was expected at character 4'],
  ["text after the object", file("{} x"), "the header is not JSON: text after the end at character 3"],
  [
    "nested without end",
    file(`{"a":${"[".repeat(100_000)}`),
    "the header is not JSON: nesting deeper than 32 at character 37",
  ],
  ["not UTF-8", Uint8Array.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22]), "the header is not UTF-8"],
  [
    "the same name twice",
    file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}'),
    'the header is not JSON: duplicate key "a"',
  ],
  ["metadata not an object", file({ __metadata__: [] }), "__metadata__ is not an object"],
  ["metadata not strings", file({ __metadata__: { epoch: 3 } }), '__metadata__: "epoch" is not a string'],
  [
    "entry not an object",
    file({ a: 1 }),
    'tensor "a": its entry is not an object with dtype, shape and data_offsets',
  ],
  ["no dtype", file({ a: { shape: [] } }), 'tensor "a": dtype is missing or not a string'],
  [
    "unknown dtype",
    file({ a: { ...f32([1], 0, 4), dtype: "F31" } }, 4),
    'tensor "a": unknown dtype "F31", expected one of BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 ' +
      "F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64",
  ],
  [
    "dtype that every object has",
    file({ a: { ...f32([1], 0, 4), dtype: "toString" } }, 4),
    'tensor "a": unknown dtype "toString", expected one of BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 ' +
      "F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64",
  ],
  ["no shape", file({ a: { dtype: "F32" } }), 'tensor "a": shape is missing or not an array'],
  [
    "negative size",
    file({ a: f32([-1], 0, 4) }, 4),
    'tensor "a": shape holds -1, expected unsigned integers',
  ],
  [
    "size with a fraction",
    file('{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', 1),
    'tensor "a": shape holds 1.0, expected unsigned integers',
  ],
  [
    "size that is text",
    file({ a: { dtype: "U8", shape: ["1"], data_offsets: [0, 1] } }, 1),
    'tensor "a": shape holds something other than unsigned integers',
  ],
  [
    "one offset",
    file({ a: { dtype: "U8", shape: [], data_offsets: [0] } }, 1),
    'tensor "a": data_offsets has 1 numbers, expected 2',
  ],
  [
    "end before begin",
    file({ a: f32([1], 4, 0) }, 4),
    'tensor "a": data_offsets [4, 0] end before they begin',
  ],
  [
    "overflow of one size",
    file('{"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}}', 4),
    'tensor "a": overflow: shape holds 18446744073709551616, over 2^53',
  ],
  [
    "overflow of the product",
    file({ a: f32([2 ** 32, 2 ** 32], 0, 0) }),
    'tensor "a": overflow: shape [4294967296, 4294967296] of F32 has too many bytes',
  ],
  [
    "overflow before a zero",
    file({ a: f32([2 ** 40, 2 ** 40, 0], 0, 0) }),
    'tensor "a": overflow: shape [1099511627776, 1099511627776, 0] of F32 has too many bytes',
  ],
  [
    "half a byte",
    file({ a: { dtype: "F4", shape: [3], data_offsets: [0, 2] } }, 2),
    'tensor "a": shape [3] of F4 does not fill whole bytes',
  ],
  [
    "shape against span",
    file({ a: f32([2, 2], 0, 12) }, 12),
    'tensor "a": shape [2, 2] of F32 is 16 bytes, data_offsets [0, 12] hold 12',
  ],
  [
    "hole at the start",
    file({ a: f32([1], 4, 8) }, 8),
    'tensor "a": data_offsets [4, 8] leave a hole after byte 0',
  ],
  [
    "hole between",
    file({ b: f32([1], 8, 12), a: f32([1], 0, 4) }, 12),
    'tensor "b": data_offsets [8, 12] leave a hole after byte 4',
  ],
  [
    "overlap",
    file({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8),
    'tensor "b": data_offsets [4, 8] overlap tensor "a", which ends at 8',
  ],
  [
    "two tensors in one place",
    file({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4),
    'tensor "b": data_offsets [0, 4] overlap tensor "a", which ends at 4',
  ],
  [
    "data past the file",
    file({ a: f32([4], 0, 16) }, 12),
    'tensor "a": data_offsets [0, 16] reach past the 12 bytes of data; the file is damaged or was cut off',
  ],
  [
    "trailing bytes",
    file({ a: f32([1], 0, 4) }, 7),
    "3 trailing bytes belong to no tensor (the last one ends at 4)",
  ],
];

describe("a file that breaks a rule is refused in one line", () => {
  it.each(refused)("%s", (_, bytes, message) => {
    expect(messageOf(bytes)).toBe(NOT + message);
  });

  it("a name cannot break the line or flood it", () => {
    const message = messageOf(file({ [`x\n\u001b[31m${"y".repeat(5000)}`]: 1 }), "a\nb");
    expect(message).toMatch(
      /^a b: not a valid safetensors file: tensor "x\\n\\u001b\[31my{113}…": its entry is not /,
    );
    expect(message.length).toBeLessThan(300);
  });

  it("names that objects treat specially are only names", () => {
    const { tensors, metadata } = parseSafetensors(
      file(
        '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"x"}}',
        1,
      ),
      "m",
    );
    expect([...tensors.keys()]).toEqual(["__proto__"]);
    expect(Object.entries(metadata)).toEqual([["__proto__", "x"]]);
    expect(serializeSafetensors(tensors, metadata).length % 8).toBe(1);
  });
});

describe("a pickle", () => {
  const line = (name: string, target: string) =>
    `${name}: refused: a PyTorch pickle is an unsafe format (reading it can run code); convert it with: ` +
    `python -c "import torch; from safetensors.torch import save_file; save_file({k: v.contiguous() for k, v in ` +
    `torch.load('${name}', map_location='cpu', weights_only=True).items()}, '${target}')"`;

  it("is refused by its extension", () => {
    expect(messageOf(file({}), "net.pth")).toBe(line("net.pth", "net.safetensors"));
  });
  it("is refused by its bytes: a zip, or a stream of protocol 2", () => {
    const zip = Uint8Array.from([0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 8]);
    const stream = Uint8Array.from([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20]);
    expect(messageOf(zip, "dir/net.bin")).toBe(line("dir/net.bin", "dir/net.safetensors"));
    expect(messageOf(stream, "net")).toBe(line("net", "net.safetensors"));
  });
});

describe("memory", () => {
  it("tensors are views of the file, and F32 values views of the tensors", () => {
    const bytes = serializeSafetensors(new Map([["w", float32Tensor([3], new Float32Array([1, 2, 3]))]]));
    const { tensors } = parseSafetensors(bytes, "m");
    const w = tensors.get("w");
    if (w === undefined) throw new Error("w is missing");
    expect(w.data.buffer).toBe(bytes.buffer);
    expect(toFloat32(w).buffer).toBe(bytes.buffer);
  });

  it("values that the file does not align are copied, and equal", () => {
    const bytes = serializeSafetensors(new Map([["w", float32Tensor([3], new Float32Array([1, 2, 3]))]]));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const w = parseSafetensors(shifted.subarray(1), "m").tensors.get("w");
    if (w === undefined) throw new Error("w is missing");
    expect([...toFloat32(w)]).toEqual([1, 2, 3]);
  });

  it("the pieces to write are the tensors' own bytes", () => {
    const values = new Float32Array([1, 2]);
    const [head, data] = safetensorsChunks(new Map([["w", float32Tensor([2], values)]]));
    expect(head?.length).toBe(8 + 56);
    expect(data?.buffer).toBe(values.buffer);
  });
});

describe("what cannot be written", () => {
  it("bytes that are not the shape's", () => {
    expect(() => serializeSafetensors(new Map([["w", float32Tensor([3], new Float32Array(2))]]))).toThrow(
      new InputError('safetensors: tensor "w": shape [3] of F32 is 12 bytes, its data has 8'),
    );
  });
  it("a tensor under the name of the metadata", () => {
    expect(() =>
      serializeSafetensors(new Map([["__metadata__", float32Tensor([0], new Float32Array())]])),
    ).toThrow(new InputError("safetensors: a tensor cannot be named __metadata__"));
  });
});

const SIZES = { U8: 1, BF16: 2, F16: 2, F32: 4, I64: 8 } as const;
const anyTensor: fc.Arbitrary<SafetensorsTensor> = fc
  .record({
    dtype: fc.constantFrom("U8", "BF16", "F16", "F32", "I64"),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
  })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((a, b) => a * b, SIZES[dtype]);
    return fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ dtype, shape, data }));
  });
const anyTensors = fc
  .dictionary(
    fc.string({ unit: "binary" }).filter((name) => name !== "__metadata__"),
    anyTensor,
  )
  .map((found) => new Map(Object.entries(found)));

describe("property", () => {
  it("what is written is read back, aligned to 8 and independent of order", () => {
    fc.assert(
      fc.property(anyTensors, fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
        const bytes = serializeSafetensors(tensors, metadata);
        const back = parseSafetensors(bytes, "m");
        expect(new Map([...back.tensors].sort())).toEqual(new Map([...tensors].sort()));
        expect({ ...back.metadata }).toEqual({ ...metadata });
        const size = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
        expect((bytes.length - size) % 8).toBe(0);
        expect(serializeSafetensors(new Map([...tensors].reverse()), metadata)).toEqual(bytes);
      }),
    );
  });

  it("damaged bytes are accepted or refused with an InputError of one line, never anything else", () => {
    const place = fc.nat(10_000);
    const damage = fc.oneof(
      fc.record({ cut: place }),
      fc.record({ at: place, byte: fc.nat(255) }),
      fc.record({ at: place, insert: fc.uint8Array({ minLength: 1, maxLength: 9 }) }),
      fc.record({ at: place, remove: fc.nat(12) }),
    );
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), fc.boolean(), (damages, keepSize) => {
        let bytes = [...REFERENCE];
        for (const one of damages) {
          if ("cut" in one) bytes = bytes.slice(0, one.cut % (bytes.length + 1));
          else if ("byte" in one) bytes[one.at % (bytes.length + 1)] = one.byte;
          else if ("insert" in one) bytes.splice(one.at % (bytes.length + 1), 0, ...one.insert);
          else bytes.splice(one.at % (bytes.length + 1), one.remove);
        }
        // Otherwise most damage ends at the header's size and the rules behind it see little.
        if (keepSize) bytes.splice(0, 8, ...REFERENCE.subarray(0, 8));
        const file = Uint8Array.from(bytes);
        const message = messageOf(file);
        expect(message).not.toMatch(/[\r\n]/);
        if (message !== "accepted") return;
        // Views of the file, so nothing can have been allocated for a size that the file only claims.
        for (const { data } of parseSafetensors(file, "m").tensors.values())
          expect(data.buffer).toBe(file.buffer);
      }),
      { numRuns: 2000 },
    );
  });

  it("arbitrary bytes never do", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.string({ unit: "binary", maxLength: 60 }),
        (bytes, json) => {
          expect(messageOf(bytes)).not.toBe("");
          expect(messageOf(file(`{${json}`))).not.toBe("");
        },
      ),
      { numRuns: 1000 },
    );
  });
});
