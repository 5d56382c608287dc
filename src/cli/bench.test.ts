import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { addBench } from "./bench";
import { EXIT, reportFailure } from "./failure";
import { addGlobals } from "./globals";

// Whatever is refused is refused before a GPU is asked for.
vi.mock("../device", () => ({
  openDevice: () => Promise.reject(new Error("the GPU was asked for")),
  listAdapters: () => Promise.reject(new Error("the GPU was asked for")),
}));

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-bench-cli-"));
  await writeFile(join(folder, "broken.json"), '{"rows": [');
  await writeFile(join(folder, "empty.json"), "");
});
afterAll(() => rm(folder, { recursive: true }));

/** What the command says on stderr, and its exit code. */
async function fails(args: readonly string[]): Promise<{ code: number; said: string }> {
  let said = "";
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += String(text);
    return true;
  });
  try {
    const program = new Command("striate").configureOutput({ outputError: () => undefined }).exitOverride();
    addGlobals(program);
    addBench(program);
    await program.parseAsync(["node", "striate", "bench", ...args]);
    throw new Error("the command succeeded");
  } catch (error) {
    return { code: reportFailure(error, false), said };
  } finally {
    spy.mockRestore();
  }
}

test.each([
  [["nosuch"], /there is no model "nosuch"; there are lenet5, /],
  [[], /missing required argument 'models'/],
  [["lenet5", "nosuch"], /there is no model "nosuch"/],
  [
    ["lenet5", "--batch-size", "0"],
    /--batch-size <list>' argument '0' is invalid. Give a whole number of at least 1/,
  ],
  [["lenet5", "--batch-size", "1,,2"], /'1,,2' is invalid/],
  [["lenet5", "--batch-size", "1.5"], /'1.5' is invalid/],
  [["lenet5", "--mode", "fast"], /Give infer or train or both/],
  [["lenet5", "--precision", "float8"], /'float8' is invalid. Give float32/],
  [["lenet5", "--num-bench-iter", "0"], /Give a whole number of at least 1/],
  [["lenet5", "--num-warm-iter", "-1"], /Give a whole number of at least 0/],
  [["vgg16", "--img-size", "8"], /maxPool: the window is 2×2 but the padded input is 1×1 \(layer features/],
  [["lenet5", "--width", "0.5"], /lenet5: there is no option width/],
  [["lenet5", "--results-file", "rows.txt"], /results go to a .csv or a .json file, given "rows.txt"/],
  [["lenet5", "--device", "0", "--all-devices"], /give --device or --all-devices, not both/],
  [["ops", "--only", "["], /Invalid regular expression/],
  [["ops", "--only", "nosuch"], /no op matches \/nosuch\/; there are relu, /],
])("bench %j is refused in one line", async (args, expected) => {
  const { code, said } = await fails(args);
  expect(said).toMatch(expected);
  expect(said.split("\n")).toEqual([expect.stringMatching(/^striate: /), ""]);
  expect(code).toBe(EXIT.usage);
});

test.each([
  ["--results-file", "nowhere/rows.csv", /cannot write .*rows.csv: no such file or folder/],
  ["--report", "nowhere/report.html", /cannot write .*report.html: no such file or folder/],
  ["--trace", "nowhere/trace.json", /cannot write .*trace.json: no such file or folder/],
  ["--compare", "nowhere.json", /cannot read .*nowhere.json: no such file or folder/],
  [
    "--compare",
    "broken.json",
    /cannot read .*broken.json: it is not JSON; expected what `striate bench` leaves/,
  ],
  ["--compare", "empty.json", /cannot read .*empty.json: the file is empty/],
])("bench %s %s is refused in one line", async (option, file, expected) => {
  const { code, said } = await fails(["lenet5", option, join(folder, file)]);
  expect(said).toMatch(expected);
  expect(said.split("\n")).toHaveLength(2);
  expect(code).toBe(EXIT.failure);
});

test("what is right asks for the GPU", async () => {
  const { said } = await fails(["lenet5", "mobilenet-v1", "--batch-size", "1,2", "--mode", "infer,train"]);
  expect(said).toBe("striate: the GPU was asked for\n");
});
