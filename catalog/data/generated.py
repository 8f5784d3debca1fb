"""What the scripts that write files of this folder share: writing them, or with --check comparing them with what stands there."""
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(maker, texts):
    """@texts: {name of a file: its content}, made by the script @maker. The exit status: 1 when a file differs."""
    differs = False
    for name, text in texts.items():
        path = HERE / name
        if "--check" in sys.argv[1:]:
            same = path.exists() and path.read_text(encoding="utf-8") == text
            differs |= not same
            print(f"{name}: {'as generated' if same else f'DIFFERS from what {maker} writes'}")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{name}: {len(text.encode())} bytes")
    return 1 if differs else 0
