/** What a run may be told. */
export interface RunOptions {
  /** Called after each part of a long run, such as a refined patch. */
  readonly progress?: (done: number, of: number) => void;
  /** Stops the run before its next graph; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** One run: adds up milliseconds under names such as ``host.reduce`` and ``graph.segment``. */
export class Clock {
  readonly milliseconds: Record<string, number> = {};

  constructor(private readonly options: RunOptions = {}) {}

  /** Time one piece of work under a stage. */
  time<T>(stage: string, work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.add(stage, performance.now() - start);
    }
  }

  /** Time one asynchronous piece of work, such as a graph, under a stage. */
  async wait<T>(stage: string, work: () => Promise<T>): Promise<T> {
    this.options.signal?.throwIfAborted();
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.add(stage, performance.now() - start);
    }
  }

  /** Tell how much of the run is done. */
  progress(done: number, of: number): void {
    this.options.progress?.(done, of);
  }

  private add(stage: string, milliseconds: number): void {
    this.milliseconds[stage] = (this.milliseconds[stage] ?? 0) + milliseconds;
  }
}
