import { type Device, openDevice } from "../device";
import type { GlobalOptions } from "./terminal";

/** Opens the adapter that the user asked for and closes it after the work, whatever happens, so that Node can exit. */
export async function withDevice<T>(
  { device: adapter, limits }: GlobalOptions,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  const device = await openDevice({ adapter, limits });
  try {
    return await work(device);
  } finally {
    device.close();
  }
}
