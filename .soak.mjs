import { adam, compile, crossEntropy, defineModel, nn, openDevice } from "./dist/index.js";
const { conv, batchNorm, relu, maxPool, flatten, dropout, linear, sequential } = nn;
const tiny = defineModel({ name: "tiny", input: [8, 8, 1], classes: 4, forward: ({ classes }) => sequential({ conv: conv(8, 3, { pad: 1, bias: false }), bn: batchNorm(), relu: relu(), pool: maxPool(2), flatten: flatten(), dropout: dropout(0.25), fc: linear(classes) }) });
const device = await openDevice();
const batch = 8;
const image = new Float32Array(batch*64).map((_, k) => Math.sin(k)); const label = Uint32Array.from({ length: batch }, (_, k) => k % 4);
const step = await compile(tiny(), { device, batch, loss: crossEntropy(), optimizer: adam({ lr: 1e-2 }), seed: 1 });
for (let k = 0; k <= 12000; k++) { await step.run({ image, label }); if (k % 1000 === 0 || k===100) { gc?.(); const m = process.memoryUsage(); console.log(k, (m.rss/2**20).toFixed(1), (m.heapUsed/2**20).toFixed(1), (m.external/2**20).toFixed(1)); } if (k===6000) await new Promise(r=>setTimeout(r,500)); }
device.close();
