/** The page's side of the worker: one promise for each request, in the order they are asked. */
import type { Answer, Opened, Request, Result, Source } from "./protocol.ts";

export type Progress = (text: string, share: number) => void;

interface Waiting {
  readonly resolve: (value: Opened | Result) => void;
  readonly reject: (error: Error) => void;
  readonly progress: Progress;
}

export class Client {
  private worker = this.start();
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;

  private start(): Worker {
    const worker = new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.heard(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(event.message || "the worker did not start: reload the page");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
    return worker;
  }

  private heard(answer: Answer): void {
    const waiting = this.waiting.get(answer.id);
    if (!waiting) return;
    if (answer.kind === "progress") {
      waiting.progress(answer.text, answer.share);
      return;
    }
    this.waiting.delete(answer.id);
    if (answer.kind === "done") waiting.resolve(answer.value);
    else waiting.reject(new Error(answer.message));
  }

  private ask(request: Request, progress: Progress, transfer: Transferable[] = []) {
    const id = this.next++;
    return new Promise<Opened | Result>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, request }, transfer);
    });
  }

  /** Open and verify a bundle, and choose an engine for it. */
  open(source: Source, webgpu: boolean, progress: Progress): Promise<Opened> {
    return this.ask({ kind: "open", source, webgpu }, progress) as Promise<Opened>;
  }

  /** Matte a picture, which is handed over. */
  matte(
    bitmap: ImageBitmap,
    options: { trimap?: Uint8Array<ArrayBuffer>; decontaminate: boolean },
    progress: Progress = () => {},
  ): Promise<Result> {
    const request = { kind: "matte", bitmap, ...options } as const;
    return this.ask(request, progress, [bitmap]) as Promise<Result>;
  }
}
