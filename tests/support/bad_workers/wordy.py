"""Never ends its line."""

import sys

for _ in sys.stdin.buffer:
    while True:
        sys.stdout.buffer.write(b" " * 65_536)
