import type { KernelContext } from "../../src/kernel";

// Where a kernel loads the same values several times, or shares them out among the lanes, software adapters are to load
// them from textures: see src/textures.ts.

/** Mesa 25.0 mixes the texels up where its subgroups have 16 lanes (`LP_NATIVE_VECTOR_WIDTH=512`). */
const mostLanes = 8;
/** Four lanes (SwiftShader's) load from a buffer as fast. */
const fewestLanes = 8;
/** A copy of fewer values costs as much as it saves. */
const fewestValues = 2 ** 14;

/** Why nothing is to be loaded from textures. */
export const rejectsTextures = ({
  subgroupSize,
}: Pick<KernelContext, "subgroupSize">): string | undefined => {
  if (subgroupSize === undefined) return "the adapter's subgroups have no fixed size";
  return subgroupSize > mostLanes ? `subgroups of ${subgroupSize} may read textures wrongly` : undefined;
};

/** Whether a tensor of so many values is worth copying for a kernel that loads each a few times. */
export const isWorthCopying = (
  values: number,
  { subgroupSize = 1 }: Pick<KernelContext, "subgroupSize">,
): boolean => subgroupSize >= fewestLanes && values >= fewestValues;
