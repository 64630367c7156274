#!/usr/bin/env python3
"""Fetch ONNX Runtime Web again, which the pages of lesson 7 compute with.

    python tools/onnxruntime_web.py             the version that helpers/exports/page.py names
    python tools/onnxruntime_web.py 1.31.0      another one

Needs npm and the network; learners need neither. Prints the hashes for page.py.
"""

import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from helpers.exports.page import HERE, RUNTIME, VERSION


def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else VERSION
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"onnxruntime-web@{version}", "--silent"]
        name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(Path(folder, name.stdout.strip())) as package:
            for file in RUNTIME:
                content = package.extractfile(f"package/dist/{file.removesuffix('.gz')}").read()
                if file.endswith(".gz"):
                    content = gzip.compress(content, mtime=0)
                (HERE / "onnxruntime_web" / file).write_bytes(content)
                print(f'    "{file}": "{hashlib.sha256(content).hexdigest()}",')
    print(f"Set VERSION and RUNTIME in {HERE / 'page.py'}, and the version in the README there.")


if __name__ == "__main__":
    main()
