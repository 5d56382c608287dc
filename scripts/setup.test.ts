import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { adapterEnv, hint } from "./setup/adapter.mjs";
import {
  aptPlan,
  backportsSource,
  complaint,
  parseListFile,
  parseOsRelease,
  parseSourcesFile,
} from "./setup/apt.mjs";
import { buildReason, staleReason } from "./setup/packages.mjs";

const stock = `# comment
Types: deb deb-src
# http://snapshot.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

types: deb
uris: http://mirror.example/security
suites: bookworm-security
components: main
`;

const debian12 = { ID: "debian", VERSION_ID: "12", VERSION_CODENAME: "bookworm" };

describe("apt sources", () => {
  it("reads os-release with either quoting", () => {
    expect(parseOsRelease(`ID=debian\nVERSION_ID="12"\nNAME='A B'\n\n#x`)).toEqual({
      ID: "debian",
      VERSION_ID: "12",
      NAME: "A B",
    });
  });

  it("reads deb822 stanzas, whatever the case of the fields", () => {
    expect(parseSourcesFile(stock)).toEqual([
      {
        uris: ["http://mirror.example/debian"],
        suites: ["bookworm", "bookworm-updates"],
        components: ["main", "contrib"],
        options: { "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg" },
      },
      {
        uris: ["http://mirror.example/security"],
        suites: ["bookworm-security"],
        components: ["main"],
        options: {},
      },
    ]);
  });

  it("leaves out disabled and source-only stanzas", () => {
    expect(
      parseSourcesFile("Types: deb\nEnabled: no\nURIs: http://a\nSuites: s\nComponents: main\n"),
    ).toEqual([]);
    expect(parseSourcesFile("Types: deb-src\nURIs: http://a\nSuites: s\nComponents: main\n")).toEqual([]);
    expect(parseSourcesFile("")).toEqual([]);
  });

  it("reads one-line sources with and without options", () => {
    const text = `# deb http://old.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # note
deb [arch=amd64,arm64 signed-by=/k.gpg] http://b.example x main
deb-src http://mirror.example/debian bookworm main`;
    expect(parseListFile(text)).toEqual([
      {
        uris: ["http://mirror.example/debian"],
        suites: ["bookworm"],
        components: ["main", "contrib"],
        options: {},
      },
      {
        uris: ["http://b.example"],
        suites: ["x"],
        components: ["main"],
        options: { Architectures: "amd64 arm64", "Signed-By": "/k.gpg" },
      },
    ]);
  });

  it("derives backports from the mirror and key of the release itself", () => {
    const text = backportsSource(parseSourcesFile(stock), "bookworm") ?? "";
    expect(parseSourcesFile(text)).toEqual([
      {
        uris: ["http://mirror.example/debian"],
        suites: ["bookworm-backports"],
        components: ["main"],
        options: { "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg" },
      },
    ]);
  });

  it("keeps a key that is embedded in the stanza", () => {
    const key =
      "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEYCQjIxYJ\n -----END PGP PUBLIC KEY BLOCK-----";
    const text = `Types: deb\nURIs: http://a.example\nSuites: bookworm\nComponents: main\nSigned-By:${key}\n`;
    expect(backportsSource(parseSourcesFile(text), "bookworm")).toContain(`Signed-By:${key}\n`);
  });

  it("finds the release under the name stable, but never takes another suite's mirror", () => {
    const list = (suite: string) => parseListFile(`deb http://a.example ${suite} main`);
    expect(backportsSource(list("oldstable"), "bookworm")).toContain("URIs: http://a.example");
    expect(backportsSource(list("bookworm-security"), "bookworm")).toBeUndefined();
    expect(backportsSource(parseListFile("deb cdrom:[Debian]/ bookworm main"), "bookworm")).toBeUndefined();
  });

  it("adds nothing when backports are already there", () => {
    expect(backportsSource(parseListFile("deb http://a.example bookworm-backports main"), "bookworm")).toBe(
      "",
    );
  });

  it("takes Mesa from backports on Debian 12 only", () => {
    const stockMesa = { packages: ["libvulkan1", "mesa-vulkan-drivers"], backports: undefined };
    expect(aptPlan(debian12, "default")).toEqual({ ...stockMesa, backports: "bookworm" });
    expect(aptPlan({ ID: "debian", VERSION_ID: "13" }, "default")).toEqual(stockMesa);
    expect(aptPlan({ ID: "ubuntu", VERSION_ID: "24.04" }, "default")).toEqual(stockMesa);
  });

  it("takes SwiftShader from Debian's chromium, which Ubuntu has only as a snap", () => {
    const chromium = { packages: ["libvulkan1", "chromium"], backports: undefined };
    expect(aptPlan(debian12, "swiftshader")).toEqual(chromium);
    expect(aptPlan({ ID: "ubuntu", VERSION_ID: "24.04" }, "swiftshader")).toBeUndefined();
  });

  it("quotes apt's own complaint", () => {
    expect(complaint("Get:1\nW: Failed to fetch x\nE: Cannot locate y\n")).toBe("Cannot locate y");
    expect(complaint("W: Failed to fetch x\n")).toBe("Failed to fetch x");
    expect(complaint("Get:1\n")).toBeUndefined();
  });
});

describe("advice", () => {
  it.each([
    [debian12, "apt-get install -t bookworm-backports libvulkan1 mesa-vulkan-drivers"],
    [{ ID: "linuxmint", ID_LIKE: "ubuntu debian" }, "apt-get install libvulkan1 mesa-vulkan-drivers"],
    [{ ID: "fedora" }, "dnf install vulkan-loader mesa-vulkan-drivers"],
    [{ ID: "manjaro", ID_LIKE: "arch" }, "pacman -S vulkan-icd-loader vulkan-swrast"],
    [{ ID: "void" }, "Vulkan loader"],
  ])("fits %o", (os, words) => {
    expect(hint("default", "linux", os)).toContain(words);
  });

  it("fits macOS and Windows", () => {
    expect(hint("default", "darwin", {})).toContain("Metal");
    expect(hint("default", "win32", {})).toContain("driver");
  });
});

describe("adapter environment", () => {
  it("points at SwiftShader, unless the user already points somewhere", () => {
    expect(adapterEnv("default", { A: "1" })).toEqual({ A: "1" });
    expect(adapterEnv("swiftshader", {})).toMatchObject({
      STRIATE_DEVICE: "swiftshader",
      VK_DRIVER_FILES: expect.stringMatching(/vk_swiftshader_icd\.json$/),
    });
    expect(adapterEnv("swiftshader", { VK_DRIVER_FILES: "/own.json" }).VK_DRIVER_FILES).toBe("/own.json");
  });
});

describe("installed packages", () => {
  const a = { version: "1.0.0", integrity: "sha512-a" };
  const wanted = {
    packages: { "": {}, "node_modules/a": a, "node_modules/@s/b": { version: "2.0.0", optional: true } },
  };
  const there = () => true;

  it("are fine when they match, optional ones missing", () => {
    expect(staleReason(wanted, { packages: { "node_modules/a": a } }, there)).toBeUndefined();
  });

  it("are stale when missing, of another version or content, or deleted by hand", () => {
    expect(staleReason(wanted, undefined, there)).toBe("they are missing");
    expect(staleReason(wanted, { packages: {} }, there)).toBe("a is missing");
    const older = { packages: { "node_modules/a": { ...a, version: "0.9.0" } } };
    expect(staleReason(wanted, older, there)).toBe("a is 0.9.0, package-lock.json has 1.0.0");
    const other = { packages: { "node_modules/a": { ...a, integrity: "sha512-b" } } };
    expect(staleReason(wanted, other, there)).toMatch(/^a is/);
    expect(staleReason(wanted, { packages: { "node_modules/a": a } }, () => false)).toBe("a is missing");
    const nested = { packages: { "node_modules/@s/b/node_modules/@t/c": a } };
    expect(staleReason(nested, { packages: {} }, there)).toBe("@t/c is missing");
  });
});

describe("package-lock.json", () => {
  const text = readFileSync(new URL("../package-lock.json", import.meta.url), "utf8");
  const packages: Record<string, { optionalDependencies?: Record<string, string> }> =
    JSON.parse(text).packages;

  // npm forgets the binaries of other platforms when a registry cannot serve them, and then `npm ci` refuses the file.
  it("has an entry for every platform's binaries", () => {
    const named = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(named.filter((name) => !packages[`node_modules/${name}`])).toEqual([]);
  });

  it("names no registry", () => {
    expect(text).not.toContain('"resolved"');
  });
});

describe("the build", () => {
  let root = "";
  const put = (path: string, seconds: number) => {
    writeFileSync(join(root, path), "");
    utimesSync(join(root, path), seconds, seconds);
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "striate-setup-"));
    for (const folder of ["dist", "src", "src/ops", "shaders"]) mkdirSync(join(root, folder));
    put("src/ops/a.ts", 100);
    for (const name of ["cli.js", "index.js", "node.js", "index.d.ts", "node.d.ts"]) put(`dist/${name}`, 200);
    for (const folder of ["src/ops", "src", "shaders"]) utimesSync(join(root, folder), 150, 150);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("is kept when newer than its sources", () => {
    expect(buildReason(root)).toBeUndefined();
  });

  it("is stale when an output is missing or a source changed or went away", () => {
    put("src/ops/a.ts", 300);
    expect(buildReason(root)).toBe("src has changed");
    put("src/ops/a.ts", 100);
    expect(buildReason(root)).toBeUndefined();
    rmSync(join(root, "src/ops/a.ts")); // the folder's own time tells
    expect(buildReason(root)).toBe("src has changed");
    rmSync(join(root, "dist/index.d.ts"));
    expect(buildReason(root)).toBe("dist/index.d.ts is missing");
  });
});
