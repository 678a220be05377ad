"""Takes memory until there is none."""

import sys

for _ in sys.stdin.buffer:
    hoard = [bytes(2**26) for _ in range(64)]  # 4 GiB, a 64 MiB piece at a time
    sys.stdout.buffer.write(b"%d\n" % len(hoard))
