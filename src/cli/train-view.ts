import type { SingleBar } from "cli-progress";
import type { TrainEvent } from "../train/events";
import { grouped, percent, type Terminal } from "./terminal";

/** Milliseconds between lines about steps where there is no terminal for a bar. */
const QUIET_TIME = 15_000;

/** Shows a training run: a bar on a terminal, plain lines elsewhere, objects under --json. */
export class TrainView {
  #bar: SingleBar | undefined;
  #told = performance.now();

  constructor(
    private readonly terminal: Terminal,
    /** Under --json, one step in so many is told. */
    private readonly logEvery: number,
  ) {}

  show(event: TrainEvent): void {
    const { terminal } = this;
    if (isLogged(event, this.logEvery)) terminal.object(event);
    switch (event.event) {
      case "start":
        terminal.note(
          `${event.model}, ${grouped(event.parameters)} parameters${frozenNote(event)}, on ${event.adapter}\n` +
            `${event.data}: ${grouped(event.trainImages)} images to train on, ${grouped(event.evalImages)} to judge by (${event.evalOn}), ${event.classes} classes`,
        );
        if (event.iteration > 0) terminal.note(`resumed after ${grouped(event.iteration)} steps`);
        return;
      case "step":
        this.#step(event);
        return;
      case "evaluation":
        this.close();
        return;
      case "epoch":
        terminal.note(
          `epoch ${event.epoch}/${event.epochs}  loss ${event.trainLoss.toFixed(4)}  accuracy ${percent(event.accuracy)}  ` +
            `(loss ${event.loss.toFixed(4)})  ${event.seconds.toFixed(1)} s${skippedNote(event.skipped)}`,
        );
        return;
      case "checkpoint":
        return;
      case "interrupted":
        this.close();
        terminal.note(
          `stopped after step ${grouped(event.iteration)}; go on with: striate train --resume ${event.file}`,
        );
        return;
      case "result":
        this.close();
        if (event.best !== null)
          terminal.note(`best: ${percent(event.best.accuracy)} in epoch ${event.best.epoch}`);
        terminal.result(`checkpoint ${event.checkpoint}`);
        terminal.result(`test accuracy ${percent(event.accuracy)}`);
    }
  }

  #step({ epoch, step, steps, loss, imagesPerSecond }: Extract<TrainEvent, { event: "step" }>): void {
    const speed = `${grouped(imagesPerSecond)} images/s`;
    if (this.#bar === undefined) {
      this.#bar = this.terminal.bar(`epoch ${epoch} {bar} {value}/{total}  loss {loss}  {speed}`);
      this.#bar?.start(steps, 0, { loss: "", speed });
    }
    if (this.#bar !== undefined) {
      this.#bar.update(step, { loss: loss.toFixed(4), speed });
    } else if (performance.now() - this.#told >= QUIET_TIME) {
      this.terminal.note(`epoch ${epoch}  step ${step}/${steps}  loss ${loss.toFixed(4)}  ${speed}`);
      this.#told = performance.now();
    }
  }

  /** Takes the bar away: it must not stand in the way of what is written next. */
  close(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Evaluation events are for bars; of the steps, one in so many and the last of each epoch. */
function isLogged(event: TrainEvent, every: number): boolean {
  if (event.event === "evaluation") return false;
  return event.event !== "step" || event.iteration % every === 0 || event.step === event.steps;
}

const frozenNote = ({ parameters, trainable }: Extract<TrainEvent, { event: "start" }>): string =>
  trainable === parameters ? "" : ` of which ${grouped(trainable)} are trained`;

const skippedNote = (count: number): string => (count === 0 ? "" : `  ${grouped(count)} images left out`);
