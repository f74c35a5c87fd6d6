/** Photographs as bitmaps of a size that browsers can work on. */

/** What canvases of every browser hold; larger photographs are reduced to it. */
export const MOST_PIXELS = 16_777_216;

export interface Photo {
  readonly bitmap: ImageBitmap;
  /** A sentence for the person, where the photograph was reduced. */
  readonly remark: string;
}

/**
 * Decode a photograph, upright, reduced where it is larger than canvases can be.
 *
 * @throws Error with a sentence where the file is no picture.
 */
export async function readPhoto(file: Blob, name: string): Promise<Photo> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(
      `${name} is no picture that this browser can read: choose a JPEG, PNG, WebP or AVIF file`,
    );
  }
  const { width, height } = bitmap;
  if (width * height <= MOST_PIXELS) return { bitmap, remark: "" };
  const scale = Math.sqrt(MOST_PIXELS / (width * height));
  const options = {
    resizeWidth: Math.floor(width * scale),
    resizeHeight: Math.floor(height * scale),
    resizeQuality: "high",
  } as const;
  const reduced = await createImageBitmap(bitmap, options);
  bitmap.close();
  const megapixels = (n: number) => (n / 1e6).toFixed(0);
  const now = `${reduced.width}x${reduced.height}`;
  const remark = `The photo's ${megapixels(width * height)} megapixels were reduced to ${now}. `;
  return { bitmap: reduced, remark };
}
