// Asks Dawn for an adapter and prints one line of JSON. It is a process of its own because Vulkan reads
// VK_DRIVER_FILES and looks for its drivers once a process, and because a broken driver may crash it.
try {
  const { create } = await import("webgpu");
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  const name = adapter && [adapter.info.description, adapter.info.device, adapter.info.vendor].find(Boolean);
  console.log(JSON.stringify({ name: adapter ? name || "unnamed adapter" : null }));
} catch (error) {
  console.log(JSON.stringify({ name: null, error: String(error instanceof Error ? error.message : error) }));
}
