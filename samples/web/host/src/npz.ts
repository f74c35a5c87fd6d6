/** Reading NumPy's ``.npz`` archives, such as the golden records of a bundle. */
import { BundleError } from "./errors.js";
import { floatsOfHalves } from "./halves.js";
import { readZip } from "./zip.js";

/** An array of a record: its dtype by NumPy's name, its shape, and its values. */
export interface RecordedArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array;
}

export type Arrays = ReadonlyMap<string, RecordedArray>;

/**
 * All arrays of an archive, by name.
 *
 * Only the methods and types that golden records have are read: stored or deflated; bool, uint8,
 * uint16, int32, int64 (as int32), float16 (as float32), float32 and float64.
 *
 * @throws BundleError where the archive is damaged.
 */
export async function readNpz(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<Arrays> {
  try {
    const arrays = new Map<string, RecordedArray>();
    for (const [entry, contents] of readZip(bytes)) {
      arrays.set(entry.replace(/\.npy$/, ""), readNpy(await contents()));
    }
    return arrays;
  } catch (error) {
    throw new BundleError(`the golden record ${name} cannot be read (${(error as Error).message})`);
  }
}

/** One array of NumPy's ``.npy`` format. */
export function readNpy(bytes: Uint8Array<ArrayBuffer>): RecordedArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw new Error("an entry is no .npy file");
  }
  const long = bytes[6] >= 2;
  const begin = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(begin, begin + length));
  const kind = /'descr': '([^']+)'/.exec(header)?.[1] ?? "";
  const dimensions = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (dimensions === undefined) throw new Error("an array has no shape");
  const shape = dimensions.split(",").filter((side) => side.trim()).map(Number);
  const array = valuesOf(kind, shape, bytes.slice(begin + length).buffer);
  return header.includes("'fortran_order': True") ? lastAxisFastest(array) : array;
}

/** The same array, from one whose first axis is the fastest. */
function lastAxisFastest({ dtype, shape, data }: RecordedArray): RecordedArray {
  const out = data.slice();
  const places = shape.map(() => 0);
  for (let at = 0; at < data.length; at++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis] + places[axis];
    out[at] = data[from];
    for (let axis = shape.length - 1; axis >= 0 && ++places[axis] === shape[axis]; axis--) {
      places[axis] = 0;
    }
  }
  return { dtype, shape, data: out };
}

function valuesOf(kind: string, shape: readonly number[], raw: ArrayBuffer): RecordedArray {
  switch (kind) {
    case "|b1":
      return { dtype: "bool", shape, data: new Uint8Array(raw) };
    case "|u1":
      return { dtype: "uint8", shape, data: new Uint8Array(raw) };
    case "<u2":
      return { dtype: "uint16", shape, data: new Uint16Array(raw) };
    case "<i4":
      return { dtype: "int32", shape, data: new Int32Array(raw) };
    case "<i8":
      return { dtype: "int64", shape, data: Int32Array.from(new BigInt64Array(raw), Number) };
    case "<f2":
      return { dtype: "float16", shape, data: floatsOfHalves(new Uint16Array(raw)) };
    case "<f4":
      return { dtype: "float32", shape, data: new Float32Array(raw) };
    case "<f8":
      return { dtype: "float64", shape, data: new Float64Array(raw) };
    default:
      throw new Error(`the type ${kind} is not known`);
  }
}
