"""python3 -m tests.peer"""

import sys

from tests.peer.peer import main

sys.exit(main())
