import type { Kernel, Sizes } from "../../src/kernel";

/** Four lanes (SwiftShader's) load from a buffer as fast. */
const fewestLanes = 8;
/** A copy of fewer values costs as much as it saves. */
const fewestValues = 2 ** 14;

/** What a variant declares that loads each of a tensor's values a few times, and from a texture: see src/textures.ts. */
export const textured = <Names extends string>(
  tensor: string,
  values: (sizes: Sizes<Names>) => number,
): Pick<Kernel<Sizes<Names>>, "family" | "textures" | "suits"> => ({
  family: "software",
  textures: [tensor],
  suits: (sizes, { subgroupSize = 1 }) => subgroupSize >= fewestLanes && values(sizes) >= fewestValues,
});
