"""`python -m aireal.captions.claude.mock [PORT]`: run the server until it is interrupted.

Set ANTHROPIC_BASE_URL to the address that it prints.
"""

import contextlib
import sys
import threading

from .server import MockServer

with MockServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server, contextlib.suppress(KeyboardInterrupt):
    print(server.url, flush=True)
    threading.Event().wait()
