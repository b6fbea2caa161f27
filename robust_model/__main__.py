"""`python -m robust_model`: the classifier's command line."""

import sys

from robust_model.cli import main

if __name__ == "__main__":
    sys.exit(main())
