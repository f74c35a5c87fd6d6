/** What went wrong, in one sentence: what was expected, what came, and what to do. */
export class EdgematteError extends Error {
  override name = "EdgematteError";
}

/** The bundle is missing, damaged, or of a kind that this package does not know. */
export class BundleError extends EdgematteError {
  override name = "BundleError";
}

/** A graph does not load, fails, or gives something else than its bundle declares. */
export class EngineError extends EdgematteError {
  override name = "EngineError";
}

/** A picture, trimap or option that the bundle has no use for. */
export class InputError extends EdgematteError {
  override name = "InputError";
}
