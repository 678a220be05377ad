"""Answers with something that is not JSON."""

import sys

for _ in sys.stdin.buffer:
    sys.stdout.buffer.write(b"\x00\xffplan: all is well\n")
    sys.stdout.buffer.flush()
