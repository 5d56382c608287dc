import { scaleChannels, scaleShift } from "../src/ops/scale-shift";
import { channels, ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(scaleShift, {
  tolerance: "transcendental",
  reference: ({ x, scale, shift }, { C }) => ({
    y: x.map((v, i) => v * (scale[i % C] ?? Number.NaN) + (shift[i % C] ?? Number.NaN)),
  }),
  cases: [
    { why: "odd channels", x: [3, 5, 7], scale: [7], shift: [7] },
    { why: "channels in fours", x: [2, 9, 7, 8], scale: [8], shift: [8] },
  ],
  bench: [{ why: ofVolume, x: volume, scale: channels, shift: channels }],
});

export const scaleChannelsSpec = spec(scaleChannels, {
  tolerance: "ulp1",
  reference: ({ x, scale }, { C }) => ({ y: x.map((v, i) => v * (scale[i % C] ?? Number.NaN)) }),
  cases: [
    { why: "odd channels", x: [3, 5, 7], scale: [7] },
    { why: "channels in fours", x: [2, 9, 7, 8], scale: [8] },
  ],
  bench: [{ why: ofVolume, x: volume, scale: channels }],
});
