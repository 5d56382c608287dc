import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codeBlocks } from "./code-blocks";
import { root, typeCheck } from "./type-check";

const readme = readFileSync(join(root, "README.md"), "utf8");

test("the README's programs compile", () => {
  const given = "declare const gpuDevice: GPUDevice;\ndeclare const image: Float32Array;\n";
  const programs = codeBlocks(join(root, "README.md")).filter(({ language }) => language === "ts");
  expect(programs.length).toBeGreaterThanOrEqual(2);
  const texts = programs.map(({ line, text }) => [
    `docs/readme-line-${line}.ts`,
    `${given}export {};\n${text}`,
  ]);
  expect(typeCheck(Object.fromEntries(texts))).toEqual([]);
});

test("the README's npm scripts, files and links exist", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name);
  expect(named).toContain("demo");
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = ""]) => link);
  expect(links).toContain("docs/adding-an-op.md");
  const paths = [
    ...readme.matchAll(/`((?:src|shaders|kernels-test|bench|examples|docs|scripts)\/[\w./-]*)`/g),
  ];
  const local = [...links.filter((link) => !link.includes("://")), ...paths.map(([, path = ""]) => path)];
  expect(local.filter((path) => !path.includes("NAME") && !existsSync(join(root, path)))).toEqual([]);
});
