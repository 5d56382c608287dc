import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The repository's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Type-checks files under the repository's own rules. They need not exist: their texts stand in for those on disk, and
 * `striate` and `striate/node` are the sources beside them.
 *
 * @param texts by path from the repository's folder
 * @returns a line for each mistake, with the file and the line
 */
export function typeCheck(texts: Readonly<Record<string, string>>): string[] {
  const { config, error } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  if (error !== undefined) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, " "));
  // A page may stop before it uses what it shows.
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root, { noUnusedLocals: false });
  const host = ts.createCompilerHost(options);
  const own = new Map(Object.entries(texts).map(([path, text]) => [join(root, path), text]));
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => own.has(path) || fileExists(path);
  host.readFile = (path) => own.get(path) ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const text = own.get(path);
    return text === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, text, version, true);
  };
  host.directoryExists = ts.sys.directoryExists;
  const program = ts.createProgram([...own.keys()], options, host);
  return [...own.keys()].flatMap((path) => {
    const file = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    return found.map(({ start = 0, messageText }) => {
      const line = file === undefined ? 0 : ts.getLineAndCharacterOfPosition(file, start).line + 1;
      return `${path.slice(root.length + 1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
    });
  });
}
