"""The peer: what a user would write with the official SDK to see what is there. It reads every
endpoint of a project, one after the other, and compares nothing.
"""

import logging
import sys

from friendli.friendli import SyncFriendli

logging.disable(logging.WARNING)
with SyncFriendli(token="flp_benchmark", server_url=sys.argv[1], retry_config=None) as client:
    # A page of 100: the SDK cannot ask for a second one (it sends the cursor as Python's b'…').
    page = client.dedicated.endpoint.list(project_id="p1", limit=100)
    wanted = int(sys.argv[2])
    ids = list(page.data)
    for number in range(wanted):
        client.dedicated.endpoint.get_spec(endpoint_id=ids[number % len(ids)])
