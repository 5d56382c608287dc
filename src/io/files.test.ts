import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { writeFileAtomic } from "./atomic-file";
import { float32Tensor } from "./dtypes";
import { InputError } from "./errors";
import { readInputFile } from "./read-file";
import { readSafetensors, writeSafetensors } from "./safetensors-file";

/** A file system that refuses a step once: tests run as root, in folders that nothing fills. */
const refusal = vi.hoisted(() => ({ step: "", code: "" }));
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const refuse = (step: string): void => {
    if (refusal.step === step)
      throw Object.assign(new Error(`${refusal.code}: refused`), { code: refusal.code });
  };
  return {
    ...real,
    async open(...args: Parameters<typeof real.open>) {
      refuse("open");
      const handle = await real.open(...args);
      if (args[1] !== "wx") return handle;
      return new Proxy(handle, {
        get(target, key) {
          const value = Reflect.get(target, key, target);
          if (typeof value !== "function") return value;
          return (...rest: unknown[]) => {
            if (key === "write" || key === "sync") refuse(key);
            return Reflect.apply(value, target, rest);
          };
        },
      });
    },
    async rename(...args: Parameters<typeof real.rename>) {
      refuse("rename");
      return real.rename(...args);
    },
  };
});

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-io-"));
});
afterEach(async () => {
  refusal.step = "";
  await rm(folder, { recursive: true });
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("writeFileAtomic", () => {
  it("writes pieces one after the other and leaves nothing else", async () => {
    const file = join(folder, "a.bin");
    await writeFileAtomic(file, [text("one "), text("two")]);
    expect(await readFile(file, "utf8")).toBe("one two");
    await writeFileAtomic(file, text("three"));
    expect(await readFile(file, "utf8")).toBe("three");
    expect(await readdir(folder)).toEqual(["a.bin"]);
  });

  it("keeps a link and the permissions of what it replaces", async () => {
    const file = join(folder, "epoch-1");
    await writeFile(file, "old");
    await chmod(file, 0o640);
    await symlink("epoch-1", join(folder, "last"));
    await writeFileAtomic(join(folder, "last"), text("new"));
    expect(await readFile(file, "utf8")).toBe("new");
    expect((await stat(file)).mode & 0o777).toBe(0o640);
  });

  it.each([
    ["write", "ENOSPC", "no space left on the device"],
    ["sync", "EIO", "input/output error"],
    ["rename", "EACCES", "permission denied"],
    ["open", "EACCES", "permission denied"],
    ["open", "EROFS", "the file system is read-only"],
  ])(
    "refused at %s with %s: the previous file is intact, no temporary is left",
    async (step, code, reason) => {
      const file = join(folder, "a.bin");
      await writeFile(file, "previous");
      refusal.step = step;
      refusal.code = code;
      await expect(writeFileAtomic(file, [text("ne"), text("w")])).rejects.toThrow(
        new InputError(`cannot write ${file}: ${reason}`),
      );
      expect(await readFile(file, "utf8")).toBe("previous");
      expect(await readdir(folder)).toEqual(["a.bin"]);
    },
  );

  it("names a missing folder, a file in a folder's place, and a folder in a file's", async () => {
    const missing = join(folder, "none", "a.bin");
    await expect(writeFileAtomic(missing, text(""))).rejects.toThrow(
      new InputError(`cannot write ${missing}: no such file or folder`),
    );
    await writeFile(join(folder, "file"), "");
    const below = join(folder, "file", "a.bin");
    await expect(writeFileAtomic(below, text(""))).rejects.toThrow(
      new InputError(`cannot write ${below}: a part of the path is not a folder`),
    );
    await expect(writeFileAtomic(folder, text(""))).rejects.toThrow(
      new InputError(`cannot write ${folder}: it is a directory`),
    );
  });
});

describe("readInputFile", () => {
  it("reads every byte", async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
    await writeFile(join(folder, "a"), bytes);
    expect(await readInputFile(join(folder, "a"))).toEqual(bytes);
  });

  it("says why it cannot", async () => {
    const file = join(folder, "a");
    const fails = (reason: string) =>
      expect(readInputFile(file)).rejects.toThrow(new InputError(`cannot read ${file}: ${reason}`));
    await fails("no such file or folder");
    await writeFile(file, "");
    await fails("the file is empty");
    refusal.step = "open";
    refusal.code = "EACCES";
    await fails("permission denied");
    refusal.step = "";
    await expect(readInputFile(folder)).rejects.toThrow(
      new InputError(`cannot read ${folder}: it is a directory`),
    );
  });

  it.runIf(process.platform === "linux")("does not wait for devices", async () => {
    await expect(readInputFile("/dev/zero")).rejects.toThrow("cannot read /dev/zero: not a regular file");
  });
});

it("a safetensors file is written and read", async () => {
  const file = join(folder, "w.safetensors");
  await writeSafetensors(file, new Map([["w", float32Tensor([2], Float32Array.of(1, 2))]]), { format: "pt" });
  const { tensors, metadata } = await readSafetensors(file);
  expect(tensors.get("w")?.shape).toEqual([2]);
  expect(metadata).toEqual({ format: "pt" });
});
