"""A worker's loop: one line in, one line out, until input ends."""

import os
import sys
from collections.abc import Callable
from typing import BinaryIO


def main(answer: Callable[[bytes], bytes]) -> None:
    """Answer every line of standard input on standard output.

    What native code prints goes to standard error: libraries write to file descriptor 1 as they like.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers, answer)


def serve(questions: BinaryIO, answers: BinaryIO, answer: Callable[[bytes], bytes]) -> None:
    """Answer every line of a stream."""
    for line in questions:
        answers.write(answer(line) + b"\n")
        answers.flush()
