"""Write `.env` from `.env.example` with a random SECRET_KEY; an existing `.env` is never touched."""

import os
import secrets
import sys
from pathlib import Path


def write_env(folder: Path) -> bool:
    """Return whether a file was written. It is readable by its owner only, from the first byte on."""
    text = (folder / ".env.example").read_text(encoding="utf-8")
    key = f"\nSECRET_KEY={secrets.token_urlsafe(48)}\n"
    try:
        handle = os.open(folder / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text.replace("\nSECRET_KEY=\n", key, 1))
    return True


if __name__ == "__main__":
    if write_env(Path(sys.argv[1])):
        print("Wrote .env with a random SECRET_KEY; every variable is explained in it.")
