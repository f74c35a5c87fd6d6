/** What stands on the canvas: cut-out over a background, alpha, trimap or the photograph. */
import type { Result } from "./protocol.ts";

export type View = "cutout" | "alpha" | "trimap" | "photo";
export type Background = string | ImageBitmap | undefined;

export class PictureView {
  view: View = "cutout";
  background: Background;
  private readonly context: CanvasRenderingContext2D;
  private readonly cutout = document.createElement("canvas");
  private result: Result | undefined;
  private photo: ImageBitmap | undefined;

  constructor(readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
  }

  /** Show a photograph whose matte is not found yet. */
  showPhoto(photo: ImageBitmap): void {
    this.keepPhoto(photo);
    this.result = undefined;
    this.resize(photo.width, photo.height);
    this.draw();
  }

  /** What the view of the photograph shows, such as a frame of the camera. */
  keepPhoto(photo: ImageBitmap): void {
    this.photo?.close();
    this.photo = photo;
  }

  showResult(result: Result): void {
    this.result = result;
    const { width, height, rgba } = result;
    Object.assign(this.cutout, { width, height });
    const pixels = new ImageData(rgba, width, height);
    this.cutout.getContext("2d")?.putImageData(pixels, 0, 0);
    this.resize(width, height);
    this.draw();
  }

  private resize(width: number, height: number): void {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
      this.canvas.style.setProperty("--ratio", String(width / height));
    }
  }

  draw(): void {
    const { canvas, context, result } = this;
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    if (!result || (this.view === "photo" && this.photo)) {
      if (this.photo) context.drawImage(this.photo, 0, 0);
      return;
    }
    if (this.view === "alpha" || this.view === "trimap") {
      context.putImageData(this.grey(result), 0, 0);
      return;
    }
    this.paintBackground(context, width, height);
    context.drawImage(this.cutout, 0, 0);
  }

  private paintBackground(context: CanvasRenderingContext2D, width: number, height: number): void {
    const { background } = this;
    if (typeof background === "string") {
      context.fillStyle = background;
      context.fillRect(0, 0, width, height);
    } else if (background) {
      const scale = Math.max(width / background.width, height / background.height);
      const [wide, tall] = [background.width * scale, background.height * scale];
      context.drawImage(background, (width - wide) / 2, (height - tall) / 2, wide, tall);
    }
  }

  private grey({ width, height, rgba, trimap }: Result): ImageData {
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const value = this.view === "alpha" ? rgba[4 * i + 3]! : trimap[i]!;
      image.data.fill(value, 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    }
    return image;
  }

  /** Paint a stroke of the trimap over what is shown. */
  stroke(trimap: Uint8Array, value: number): void {
    const { width, height } = this.canvas;
    const shown = document.createElement("canvas");
    Object.assign(shown, { width, height });
    const image = new ImageData(width, height);
    const colour = { 0: [196, 54, 54], 128: [232, 168, 42], 255: [24, 140, 110] }[value]!;
    for (let i = 0; i < trimap.length; i++) {
      if (trimap[i]) image.data.set([...colour, 150], 4 * i);
    }
    shown.getContext("2d")?.putImageData(image, 0, 0);
    this.draw();
    this.context.drawImage(shown, 0, 0);
  }

  /** The cut-out as a PNG with transparency, or over the background that is chosen. */
  png(): Promise<Blob> {
    const { width, height } = this.cutout;
    const sheet = document.createElement("canvas");
    Object.assign(sheet, { width, height });
    const context = sheet.getContext("2d");
    if (context) {
      this.paintBackground(context, width, height);
      context.drawImage(this.cutout, 0, 0);
    }
    return new Promise((resolve, reject) => {
      sheet.toBlob((blob) => {
        if (blob) resolve(blob);
        else reject(new Error("the browser could not write the PNG: the picture is too large"));
      }, "image/png");
    });
  }
}
