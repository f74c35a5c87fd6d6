"""What tests of the server share: files of pictures, and a backend that answers when it is let."""

import asyncio
import io
import threading
from typing import Any

import numpy as np
from PIL import Image

from edgematte.serve.jobs import Answer, Job, Refusal

REASON = 'the server\'s packages are not installed: pip install ".[serve]" --group serve-tests'


def to_file(array: Any, kind: str = "PNG", **options: Any) -> bytes:
    """A picture's file."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def pixels_of(content: bytes) -> Any:
    """A file's pixels."""
    return np.array(Image.open(io.BytesIO(content)))


class Made:
    """A backend whose answer is a grey pixel that tells which picture it is of."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.jobs: list[Job] = []
        self.given_up = 0

    async def matte(self, job: Job) -> Answer | Refusal:
        """A pixel with the length of the picture's file, modulo 256."""
        self.jobs.append(job)
        try:
            while not self.let.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        value = np.full((1, 1), len(job.picture) % 256, np.uint8)
        return Answer(to_file(value), "image/png", 1, 1, (0, 0, 1, 1), {"graph.made": 0.01})
