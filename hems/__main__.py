"""``python -m hems``."""

from hems.cli import main

if __name__ == "__main__":
    main()
