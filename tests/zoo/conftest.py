"""Makes the zoo's models importable by name, as a user's own file is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
