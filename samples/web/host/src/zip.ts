/** Reading zip archives whose entries are stored or deflated. */

const END_OF_DIRECTORY = 0x06054b50;
const ENTRY = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;

/**
 * The entries of an archive by name, unpacked when they are asked for.
 *
 * @throws Error where it is no archive or damaged; when an entry is unpacked, too.
 */
export function readZip(
  bytes: Uint8Array<ArrayBuffer>,
): Map<string, () => Promise<Uint8Array<ArrayBuffer>>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw new Error("it is no zip archive");
  const entries = new Map<string, () => Promise<Uint8Array<ArrayBuffer>>>();
  let at = view.getUint32(end + 16, true);
  for (let many = view.getUint16(end + 10, true); many > 0; many--) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("its directory is damaged");
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const offset = view.getUint32(at + 42, true);
    entries.set(name, () => unpacked(bytes, offset, size, method));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

async function unpacked(
  bytes: Uint8Array<ArrayBuffer>,
  offset: number,
  size: number,
  method: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  const packed = bytes.subarray(start, start + size);
  if (method === STORED) return packed.slice();
  if (method !== DEFLATED) throw new Error(`method ${method} of an entry is not known`);
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(inflated).arrayBuffer());
}
