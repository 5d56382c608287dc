import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { addBench } from "./bench";
import { addGlobals } from "./globals";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-bench-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What the command prints to stdout. */
async function bench(...args: string[]): Promise<string> {
  let printed = "";
  const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  const error = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const program = new Command("striate").exitOverride();
    addGlobals(program);
    addBench(program);
    const { STRIATE_DEVICE: device } = process.env;
    await program.parseAsync(["bench", ...args, ...(device === undefined ? [] : ["--device", device])], {
      from: "user",
    });
    return printed;
  } finally {
    out.mockRestore();
    error.mockRestore();
  }
}

const place = (name: string) => join(folder, name);
const quick = [
  "lenet5",
  "--mode",
  "infer",
  "--batch-size",
  "2",
  "--num-warm-iter",
  "2",
  "--num-bench-iter",
  "6",
];

test("rows go to stdout as JSON alone, and to all the files asked for", async () => {
  const files = [
    "--results-file",
    place("a.json"),
    "--report",
    place("a.html"),
    "--trace",
    place("a-trace.json"),
  ];
  const printed = await bench(...quick, "--json", ...files);
  const rows = printed
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ model: "lenet5", mode: "infer", precision: "float32", batch: 2 });
  expect(JSON.parse(await readFile(place("a.json"), "utf8"))).toEqual({
    format: "striate-bench",
    version: 1,
    rows,
  });
  expect(await readFile(place("a.html"), "utf8")).toContain('id="waterfall-0"');
  const { traceEvents } = JSON.parse(await readFile(place("a-trace.json"), "utf8")) as {
    traceEvents: { ph: string }[];
  };
  expect(traceEvents.filter(({ ph }) => ph === "X").length).toBeGreaterThan(5);
  // Nothing half-written is left behind.
  expect((await readdir(folder)).sort()).toEqual(["a-trace.json", "a.html", "a.json"]);
});

test("kernels are measured once, kept, and used", async () => {
  const tune = ["--tune", "--tuning-cache", place("tuning"), "--json"];
  const [first] = (await bench(...quick, ...tune)).split("\n");
  const kept = await readdir(place("tuning"));
  expect(kept).toHaveLength(1);
  const file = join(place("tuning"), kept[0] ?? "");
  const choices = await readFile(file, "utf8");
  const row = JSON.parse(first ?? "") as { tuned: number; pipelines: number };
  expect(row.tuned).toBeGreaterThan(2);
  // Those of the candidates that lost are not counted: measuring has a device of its own.
  expect(row.pipelines).toBeLessThan(30);

  const written = (await stat(file)).mtimeMs;
  const [second] = (await bench(...quick, ...tune)).split("\n");
  expect(JSON.parse(second ?? "")).toMatchObject({ tuned: row.tuned });
  expect(await readFile(file, "utf8")).toBe(choices);
  expect((await stat(file)).mtimeMs).toBe(written);
});

test("a table for people, compared with an older file", async () => {
  const printed = await bench(...quick, "--compare", place("a.json"), "--results-file", place("b.csv"));
  expect(printed).toMatch(/^model +mode +precision +batch +px +params +GMACs +step ms/);
  expect(printed).toMatch(/^lenet5 +infer +float32 +2 +32 +61\.7 k/m);
  expect(printed).toMatch(/^lenet5 infer float32, batch 2, 32 px .* ms .*(faster|slower|within the noise)/m);
  expect(printed).toMatch(/^peaks: [\d.,]+ GFLOP\/s multiply-add, /m);
  expect(await readFile(place("b.csv"), "utf8")).toMatch(
    /^model,mode,precision,batch_size,.*\r\nlenet5,infer,float32,2,/,
  );
});
