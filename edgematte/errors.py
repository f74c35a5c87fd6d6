"""Errors that a caller can catch: one family, in which each error is also a builtin one."""


class EdgematteError(Exception):
    """Anything edgematte refuses, in one sentence: what was expected, what came, what to do."""


class PictureError(EdgematteError, ValueError):
    """A picture or trimap cannot be read or does not fit."""


class PictureSizeError(PictureError):
    """A picture with more pixels than are read; it was not decoded."""


class FrameError(PictureError):
    """A frame that a clip cannot go on with; the frames before it were matted.

    `frame` counts from 0; `reason` goes on after "frame N".
    """

    def __init__(self, frame: int, reason: str) -> None:
        """Both are told."""
        super().__init__(frame, reason)
        self.frame, self.reason = frame, reason

    def __str__(self) -> str:
        """The sentence."""
        return f"frame {self.frame} {self.reason}"


class PictureWarning(UserWarning):
    """A part of a picture's file that could not be read and was left out; its pixels are whole."""


class CheckpointError(EdgematteError, ValueError):
    """A checkpoint whose keys, shapes or values do not fit the model."""


class BundleError(EdgematteError, ValueError):
    """A bundle that is missing, damaged, tampered with or of an unknown format."""


class SignatureError(EdgematteError, ValueError):
    """A bundle without a signature, signed by another key, or changed after it was signed."""


class OnnxFileError(EdgematteError, ValueError):
    """An ONNX file that cannot be imported: damaged, or not a net of pictures."""


class EngineError(EdgematteError, RuntimeError):
    """An engine, device or option that is missing here, or that failed to run a graph."""


class OptionError(EdgematteError, ValueError):
    """An option outside of what the model or target accepts."""


class ServerError(EdgematteError, RuntimeError):
    """A server that cannot be started: its address is taken, its cluster is not there."""


class PluginError(EdgematteError, ImportError):
    """A package or module that adds nets and cannot be used; the message says why."""


class ExportError(EdgematteError, RuntimeError):
    """An export that could not be made, or whose accuracy is outside its tolerance."""


class UnsupportedOpError(EdgematteError, NotImplementedError):
    """An operation that the Core ML evaluator does not know; the message names it."""


class ToleranceError(ExportError):
    """An export that works but is outside its tolerance against its reference."""


class BatchError(EdgematteError, RuntimeError):
    """A batch that cannot start or go on; the rows and results that there are stay."""


class TrainingError(EdgematteError, RuntimeError):
    """A training run that cannot go on; what was saved before stays."""


def line_of(error: object, letters: int = 300, *, last: bool = False) -> str:
    """One line of what an error of another library says: its first, or its last.

    The name of its class where it says nothing; at most so many letters.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if last else 0][:letters]
