"""A request that is not answered with a picture."""

from edgematte.errors import EdgematteError


class Refused(EdgematteError):
    """A request that is refused, with HTTP's status.

    `retry_s`: when the client may try again; None: the same request would be refused again.
    `code`: a word for the reason, where clients know one.
    """

    def __init__(
        self, status: int, sentence: str, retry_s: int | None = None, code: str = ""
    ) -> None:
        super().__init__(sentence)
        self.status, self.retry_s, self.code = status, retry_s, code
