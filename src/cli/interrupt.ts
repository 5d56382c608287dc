import { EXIT } from "./failure";

/**
 * Runs work that can finish its step and save. The first Ctrl-C (or SIGTERM) calls `stop`, the second ends the
 * process now.
 */
export async function interruptible<T>(stop: (signal: string) => void, work: () => Promise<T>): Promise<T> {
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    stop(signal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    return await work();
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
