"""`python -m chasqui.app.detached HOME`: the daemon that `chasqui up --detach` starts."""

from __future__ import annotations

import sys
from pathlib import Path

from chasqui.app.starting import be_detached

if __name__ == "__main__":
    sys.exit(be_detached(Path(sys.argv[1])))
