/** Set-up speaks on stderr only: stdout belongs to the command that follows it. */
export function say(/** @type {string} */ line) {
  process.stderr.write(`setup: ${line}\n`);
}

/** An expected failure: its message is all that the user needs, so no stack trace is printed. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {number} exitCode 3 when there is no WebGPU adapter, 1 for everything else
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
