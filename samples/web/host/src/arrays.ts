/** Arrays are typed arrays with their shapes beside them, the last axis contiguous. */

/** A picture: RGB bytes, row by row, three a pixel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** One byte a pixel: a trimap (0 background, 128 unknown, 255 foreground). */
export interface Trimap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Planes of floats, one after the other: (planes, height, width). */
export interface Planes {
  readonly planes: number;
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Alpha of a picture, one float in [0, 1] a pixel. */
export interface Alpha {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** A float32 array of any shape, as graphs are called with. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Width and height in pixels. */
export type Size = readonly [width: number, height: number];

/** How many values an array of a shape has. */
export function count(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** The planes of the first entry of a tensor (1, C, H, W), or of (C, H, W); not a copy. */
export function planesOf(tensor: Tensor): Planes {
  const [planes, height, width] = tensor.shape.slice(-3);
  return { planes, height, width, data: tensor.data.subarray(0, planes * height * width) };
}

/** The nearest whole number; halves go to the even one, as in IEEE 754 and Python. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** RGB bytes of a picture -> a graph's input (1, 3, h, w) in [0, 1]. */
export function toInput(picture: Picture): Tensor {
  const { width, height, data } = picture;
  const area = width * height;
  const planes = new Float32Array(3 * area);
  const unit = Math.fround(1 / 255);
  for (let i = 0, from = 0; i < area; i++) {
    planes[i] = data[from++] * unit;
    planes[area + i] = data[from++] * unit;
    planes[2 * area + i] = data[from++] * unit;
  }
  return { shape: [1, 3, height, width], data: planes };
}
