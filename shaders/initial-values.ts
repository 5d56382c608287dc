import { normalUnit, quantilesPerOctave } from "../src/normal-quantiles";
import { philox } from "./lib/philox";
import { wgsl } from "./wgsl";

/** Invocations of a workgroup, each of which draws the four values of a Philox block. */
export const drawers = 256;
/** Values of `params.kind`. */
export const kinds = { uniform: 0, normal: 1 } as const;

/**
 * Values first .. first + count - 1 of a variable, the same as src/initial-values.ts draws on the host: integers, which f32 can
 * hold, times one number.
 */
export const initialValues = wgsl`
struct Params { key: vec2u, stream: u32, kind: u32, first: u32, count: u32, limit: i32, scale: f32 }
@group(0) @binding(0) var<storage, read> quantiles: array<u32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
${philox}
// The twin of normalOf in src/normal-quantiles.ts, in multiples of ${normalUnit}.
fn normalOf(word: u32) -> i32 {
  let odd = word | 1u;
  let octave = countLeadingZeros(odd);
  let shifted = odd << octave;
  let at = (31u - octave) * ${quantilesPerOctave}u + ((shifted >> 24u) & ${quantilesPerOctave - 1}u);
  let start = quantiles[at];
  let fall = start - quantiles[at + 1u];
  let high = (shifted >> 14u) & 1023u;
  let low = (shifted >> 4u) & 1023u;
  let magnitude = i32((start - ((fall * high + ((fall * low) >> 10u)) >> 10u)) >> 7u);
  return select(-magnitude, magnitude, (word & 1u) == 0u);
}
@compute @workgroup_size(${drawers})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let block = params.first / 4u + id.x;
  let words = philox4x32(vec4u(block, 0u, params.stream, 0u), params.key);
  for (var lane = 0u; lane < 4u; lane++) {
    let element = block * 4u + lane;
    if (element < params.first || element - params.first >= params.count) { continue; }
    var drawn = i32(words[lane] >> 8u) - 8388608;
    if (params.kind == ${kinds.normal}u) {
      drawn = normalOf(words[lane]);
      for (var attempt = 0u; abs(drawn) > params.limit; attempt++) {
        drawn = normalOf(philox4x32(vec4u(element, attempt, params.stream, 1u), params.key).x);
      }
    }
    values[element - params.first] = f32(drawn) * params.scale;
  }
}`;
