// `npm run demo`: trains LeNet-5 on the handwritten digits in the repository. Its last line is the accuracy over the
// held-out digits, which the checkpoint reproduces: npx striate eval --checkpoint checkpoints/digits-lenet5/last.safetensors
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const folder = "checkpoints/digits-lenet5";
const train = "train digits --model lenet5 --epochs 15 --seed 1 --out".split(" ").concat(folder);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.stderr.write(`demo: npx striate ${train.join(" ")}\n`);
const child = spawn(process.execPath, [join(root, "dist/cli.js"), ...train, ...process.argv.slice(2)], {
  cwd: root,
  stdio: ["inherit", "pipe", "inherit"],
});
const closed = new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
process.on("SIGINT", () => {}); // the terminal tells the training too, which then saves and ends by itself

let last = "";
for await (const line of createInterface({ input: child.stdout })) {
  if (line.trim()) last = line;
  console.log(line);
}
const code = await closed;
if (code !== 0) {
  process.exitCode = code;
} else if (!/^test accuracy \d+\.\d%$/.test(last)) {
  process.stderr.write(
    `demo: training ended without a last line "test accuracy NN.N%", but with "${last}"\n`,
  );
  process.exitCode = 1;
}
