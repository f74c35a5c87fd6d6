/** What the page and its worker say to each other. */

/** Where a bundle comes from: a folder of this site, or files that a person gave. */
export type Source = { readonly url: string } | { readonly files: readonly File[] };

/** What engine was taken, and why. */
export interface Choice {
  readonly engine: "WebGPU" | "WASM";
  readonly threads: number;
  readonly why: string;
}

/** The opened bundle. */
export interface Opened {
  readonly model: string;
  readonly precision: string;
  readonly cut: string;
  readonly bytes: number;
  readonly files: number;
  readonly takesTrimap: boolean;
  readonly choice: Choice;
}

/** A matte: pixels of the cut-out (straight alpha), and the trimap that it came from. */
export interface Result {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly trimap: Uint8Array<ArrayBuffer>;
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** What is asked of the worker. */
export type Request =
  | {
      readonly kind: "open";
      readonly source: Source;
      /** Whether WebGPU was asked for: taken if it is right, however slow. */
      readonly webgpu: boolean;
    }
  | {
      readonly kind: "matte";
      readonly bitmap: ImageBitmap;
      readonly trimap?: Uint8Array<ArrayBuffer>;
      /** Whether foreground colours are freed of the old background, which takes a while. */
      readonly decontaminate: boolean;
    };

export type Answer =
  | { readonly id: number; readonly kind: "progress"; readonly text: string; readonly share: number }
  | { readonly id: number; readonly kind: "done"; readonly value: Opened | Result }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };
