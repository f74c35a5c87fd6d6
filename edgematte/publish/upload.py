"""Putting a folder on the hub, by huggingface-hub."""

import re
from pathlib import Path

from edgematte.errors import ExportError, OptionError, line_of
from edgematte.extras import importing

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def check_name(repository: str) -> None:
    """Refuse what is no name of a repository.

    Raises:
        OptionError: it is not OWNER/NAME.
    """
    if not NAME.fullmatch(repository) or len(repository) > 96:
        raise OptionError(f"repository {repository!r} should be OWNER/NAME, as on the hub")


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Upload everything in a folder as one commit; the commit's address.

    The repository is made where there is none. Who uploads is said by `hf auth login` or by
    HF_TOKEN; HF_ENDPOINT names another hub.

    Raises:
        ExportError: huggingface-hub is not installed, or the hub refused.
    """
    with importing("publishing needs huggingface-hub", 'pip install "edgematte[hub]"', ExportError):
        from huggingface_hub import HfApi
    try:
        hub = HfApi(library_name="edgematte")
        hub.create_repo(repository, private=private or None, exist_ok=True)
        done = hub.upload_folder(
            repo_id=repository, folder_path=folder, commit_message="Published by edgematte"
        )
    except Exception as error:  # from many libraries: no network, no token, no access
        raise ExportError(
            f"{repository} could not be written to the hub ({line_of(error, 200)}); "
            "`hf auth login` says who you are"
        ) from None
    return str(done.commit_url)
