"""Who finds what is wrong with a run? See `benchmarks/diagnosis/`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.diagnosis.main import main

if __name__ == "__main__":
    main()
