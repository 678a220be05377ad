"""Answers with JSON that is not a plan."""

import sys

for _ in sys.stdin.buffer:
    sys.stdout.buffer.write(b'{"plan":{"power_w":[1,2,3]},"elapsed_s":0.1,"solver":"none"}\n')
    sys.stdout.buffer.flush()
