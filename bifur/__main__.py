"""`python -m bifur`."""

from bifur.cli import main

if __name__ == "__main__":
    main()
