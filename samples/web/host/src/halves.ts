/** Half precision (IEEE 754 binary16) as its bits, for graphs that take or give float16. */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The bits of the nearest half-precision number; ties go to the even one. */
export function halfOf(value: number): number {
  float[0] = value;
  const word = bits[0];
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude < 0x38800000) {
    // A subnormal: a whole number of 2^-24.
    const scaled = Math.abs(float[0]) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
    return sign | (floor + (up ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number that half-precision bits stand for. */
export function floatOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Floats as half-precision bits. */
export function halvesOf(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, halfOf);
}

/** Half-precision bits as floats. */
export function floatsOfHalves(values: Uint16Array): Float32Array {
  return Float32Array.from(values, floatOf);
}
