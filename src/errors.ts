/** A failure of the GPU, the driver or the browser behind it. */
export class GpuError extends Error {
  override readonly name: string = "GpuError";
}

/** There is no adapter that fits what was asked for. */
export class NoAdapterError extends GpuError {
  override readonly name = "NoAdapterError";
}

/** The device is gone: nothing that it computed can be read any more. Open a new one and resume from a checkpoint. */
export class DeviceLostError extends GpuError {
  override readonly name = "DeviceLostError";
}

/** The adapter could not provide the memory asked for. */
export class OutOfMemoryError extends GpuError {
  override readonly name = "OutOfMemoryError";
  constructor(
    message: string,
    readonly requestedBytes: number,
    readonly liveBytes: number,
    readonly peakBytes: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A tensor is larger than the adapter's limits allow, in a place where it cannot be cut. */
export class LimitError extends GpuError {
  override readonly name: string = "LimitError";
  constructor(
    message: string,
    readonly neededBytes: number,
    readonly limitBytes: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A kernel's shader was refused by the compiler, or its dispatch by validation. */
export class KernelError extends GpuError {
  override readonly name = "KernelError";
}

/** `1.5 GiB`, `12.0 MiB`, `512 B` */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const k = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${k === 0 ? bytes : (bytes / 1024 ** k).toFixed(1)} ${units[k]}`;
}
