/** A brush for the trimap: by pointer, or by arrow keys and Space. */

export interface Strokes {
  /** While painting: marks of this stroke, (H, W) of 0 and 1. */
  readonly painting: (marks: Uint8Array, value: number) => void;
  /** After a stroke. */
  readonly painted: (marks: Uint8Array, value: number) => void;
}

export class Brush {
  /** What is painted: 0 background, 128 unknown, 255 foreground; nothing while undefined. */
  value: number | undefined;
  /** Diameter in pixels of the screen. */
  size = 36;
  private marks: Uint8Array | undefined;
  private at = { x: 0, y: 0 };
  private frame = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly ring: HTMLElement,
    private readonly strokes: Strokes,
  ) {
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(kind, () => this.up());
    }
    canvas.addEventListener("pointerleave", () => (ring.hidden = true));
    canvas.addEventListener("focus", () => this.show());
    canvas.addEventListener("blur", () => (ring.hidden = true));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("keyup", (event) => event.key === " " && this.up());
  }

  /** Take up a value, or lay the brush down. */
  take(value: number | undefined): void {
    this.value = value;
    const { canvas, ring } = this;
    canvas.classList.toggle("painting", value !== undefined);
    if (value === undefined) {
      ring.hidden = true;
      canvas.removeAttribute("tabindex");
      canvas.removeAttribute("role");
    } else {
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "application");
      canvas.setAttribute("aria-describedby", "brush-help");
      this.at = { x: canvas.width / 2, y: canvas.height / 2 };
    }
  }

  /** Pixels of the picture for one of the screen. */
  private get scale(): number {
    return this.canvas.width / Math.max(1, this.canvas.getBoundingClientRect().width);
  }

  private place(event: PointerEvent): void {
    const box = this.canvas.getBoundingClientRect();
    this.at = { x: (event.clientX - box.left) * this.scale, y: (event.clientY - box.top) * this.scale };
    this.show();
  }

  private down(event: PointerEvent): void {
    if (this.value === undefined || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.place(event);
    this.begin();
  }

  private begin(): void {
    this.marks ??= new Uint8Array(this.canvas.width * this.canvas.height);
    this.dab(this.at.x, this.at.y);
  }

  private move(event: PointerEvent): void {
    if (this.value === undefined) return;
    const from = this.at;
    this.place(event);
    if (this.marks) this.line(from);
  }

  private line(from: { x: number; y: number }): void {
    const { x, y } = this.at;
    const step = Math.max(1, (this.size * this.scale) / 4);
    const parts = Math.ceil(Math.hypot(x - from.x, y - from.y) / step);
    for (let i = 1; i <= parts; i++) {
      this.dab(from.x + ((x - from.x) * i) / parts, from.y + ((y - from.y) * i) / parts);
    }
  }

  private dab(x: number, y: number): void {
    const { marks, canvas, value } = this;
    if (!marks || value === undefined) return;
    const radius = (this.size * this.scale) / 2;
    const last = Math.min(canvas.height - 1, Math.floor(y + radius));
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= last; row++) {
      const half = Math.sqrt(radius ** 2 - (row - y) ** 2);
      const left = Math.max(0, Math.ceil(x - half));
      const right = Math.min(canvas.width, Math.floor(x + half) + 1);
      if (right > left) marks.fill(1, row * canvas.width + left, row * canvas.width + right);
    }
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.marks && this.strokes.painting(marks, value));
  }

  private up(): void {
    const { marks, value } = this;
    this.marks = undefined;
    cancelAnimationFrame(this.frame);
    if (marks && value !== undefined) this.strokes.painted(marks, value);
  }

  private key(event: KeyboardEvent): void {
    if (this.value === undefined) return;
    const step = (event.shiftKey ? 32 : 8) * this.scale;
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const move = moves[event.key];
    if (event.key === " ") {
      event.preventDefault();
      if (!event.repeat) this.begin();
    } else if (move) {
      event.preventDefault();
      const from = this.at;
      const clamp = (n: number, most: number) => Math.min(most, Math.max(0, n));
      this.at = {
        x: clamp(from.x + move[0], this.canvas.width),
        y: clamp(from.y + move[1], this.canvas.height),
      };
      if (this.marks) this.line(from);
      this.show();
    }
  }

  private show(): void {
    if (this.value === undefined) return;
    const { ring, canvas, size, at, scale } = this;
    ring.hidden = false;
    ring.style.width = ring.style.height = `${size}px`;
    ring.style.left = `${canvas.offsetLeft + at.x / scale}px`;
    ring.style.top = `${canvas.offsetTop + at.y / scale}px`;
  }
}
