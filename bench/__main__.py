"""``python -m vitobench.bench``, where the command ``bench`` is not on the path."""

from .cli import main

if __name__ == "__main__":
    main()
