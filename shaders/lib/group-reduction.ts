// Reductions of one f32 of every thread of a workgroup, through workgroup memory; all threads must call and all get
// the result. The first barrier lets the next call reuse the memory.

const reduction = (name: string, threads: number, combine: string): string => /* wgsl */ `
var<workgroup> ${name}Scratch: array<f32, ${threads}>;
fn ${name}(v: f32, at: u32) -> f32 {
  workgroupBarrier();
  ${name}Scratch[at] = v;
  for (var span = ${threads / 2}u; span > 0u; span >>= 1u) {
    workgroupBarrier();
    if (at < span) {
      let a = ${name}Scratch[at];
      let b = ${name}Scratch[at + span];
      ${name}Scratch[at] = ${combine};
    }
  }
  workgroupBarrier();
  return ${name}Scratch[0];
}
`;

/** @param threads a power of two */
export const sumOfGroup = (threads: number): string => reduction("sumOfGroup", threads, "a + b");
/** @param threads a power of two */
export const maxOfGroup = (threads: number): string => reduction("maxOfGroup", threads, "max(a, b)");
