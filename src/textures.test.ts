import { expect, test } from "vitest";
import { guaranteed } from "./nn/compile";
import { matmul } from "./ops/matmul";
import { planGraph } from "./plan";
import { input } from "./tensor";

test("what no texture holds is read from buffers", () => {
  const limits = { ...guaranteed.limits, maxBufferSize: 2 ** 40, maxStorageBufferBindingSize: 2 ** 40 };
  const features = new Set(["subgroups"]);
  const target = { adapterClass: "software", features, subgroupSize: 8, limits } as const;
  const kernelFor = (rows: number, dtype: "f32" | "f16" = "f32") => {
    const [a, b] = [input("a", [rows, 4096], dtype), input("b", [4096, 256], dtype)] as const;
    return planGraph({ outputs: { y: matmul({ a, b }).y } }, target, limits).steps[0]?.kernel.name;
  };
  expect(kernelFor(2 ** 14)).toBe("subgroupSums"); // 256 MiB
  expect(kernelFor(2 ** 14 + 32)).toBe("subgroup");
  expect(kernelFor(2 ** 14, "f16")).toBe("subgroup");
});
