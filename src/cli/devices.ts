import type { Command } from "commander";
import { listAdapters } from "../adapters";
import { formatBytes, NoAdapterError } from "../errors";
import { globalsOf } from "./globals";
import { Terminal, table } from "./terminal";

export function addDevices(program: Command): void {
  program
    .command("devices")
    .description("list the adapters of this machine, their features and limits")
    .action(async (_options: unknown, command: Command) => {
      const terminal = new Terminal(globalsOf(command));
      const adapters = await listAdapters();
      if (adapters.length === 0)
        throw new NoAdapterError(
          "no WebGPU adapter found; install a Vulkan driver (on Debian or Ubuntu the package mesa-vulkan-drivers has a software one)",
        );
      for (const [index, adapter] of adapters.entries()) terminal.object({ index, ...adapter });
      const bytes = (limit: number | undefined) => (limit === undefined ? "–" : formatBytes(limit));
      terminal.result(
        table(
          ["device", "name", "backend", "kind", "buffer", "binding", "workgroup", "features"],
          adapters.map(({ name, backend, adapterClass, limits, features }, index) => [
            index,
            name,
            backend,
            adapterClass,
            bytes(limits.maxBufferSize),
            bytes(limits.maxStorageBufferBindingSize),
            `${limits.maxComputeInvocationsPerWorkgroup ?? "–"} × ${bytes(limits.maxComputeWorkgroupStorageSize)}`,
            features.filter((feature) => /f16|subgroup|timestamp/.test(feature)).join(" "),
          ]),
        ),
      );
    });
}
