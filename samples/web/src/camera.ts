/** The camera's picture, frame by frame, as fast as frames are done. */

export class Camera {
  private stream: MediaStream | undefined;

  constructor(private readonly video: HTMLVideoElement) {}

  get running(): boolean {
    return this.stream !== undefined;
  }

  /**
   * Ask for the camera and start it.
   *
   * @throws Error with a sentence where there is none, or the person refused.
   */
  async start(): Promise<void> {
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (!devices) throw new Error("a page may use the camera on https and localhost only");
    try {
      this.stream = await devices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" },
        audio: false,
      });
    } catch (error) {
      throw new Error(refusal(error));
    }
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  /** The frame that the camera shows now. */
  frame(): Promise<ImageBitmap> {
    return createImageBitmap(this.video);
  }

  stop(): void {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = undefined;
    this.video.srcObject = null;
  }
}

function refusal(error: unknown): string {
  switch ((error as DOMException).name) {
    case "NotAllowedError":
      return "the camera was not allowed: allow it beside the address of this page, and try again";
    case "NotFoundError":
    case "OverconstrainedError":
      return "this device has no camera that the browser can use: choose a photo instead";
    case "NotReadableError":
      return "another program uses the camera: close it, and try again";
    default:
      return `the camera did not start (${(error as Error).message})`;
  }
}
