import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("a process that trains, fails and closes its device writes nothing to stdout and exits by itself", () => {
  const program = `
    import { compile, crossEntropy, lenet5, openDevice, sgd } from "striate";
    const device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
    const net = await compile(lenet5(), { device, batch: 4, loss: crossEntropy(), optimizer: sgd({ lr: 0.1 }) });
    const inputs = { image: new Float32Array(4096).fill(1), label: new Uint32Array(4) };
    await net.run(inputs);
    // A command that validation refuses, outside every error scope: Dawn would print it.
    const encoder = device.gpu.createCommandEncoder();
    const [buffer] = await device.createBuffers([{ label: "b", size: 16, usage: 0x80 }]);
    encoder.copyBufferToBuffer(buffer, 0, buffer, 0, 16);
    device.gpu.queue.submit([encoder.finish()]);
    const failure = await device.finish().then(() => device.finish()).catch((error) => error);
    device.close();
    process.stderr.write("failure: " + failure.message + "\\n");`;
  const started = performance.now();
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", program],
    {
      cwd: dirname(dirname(dirname(fileURLToPath(import.meta.url)))),
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  expect({ status, signal }, stderr).toEqual({ status: 0, signal: null });
  expect(stdout).toBe("");
  expect(stderr).toMatch(/failure: a command was refused: .*Copy/i);
  expect(performance.now() - started).toBeLessThan(55_000);
});
