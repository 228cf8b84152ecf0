"""Files by hand: uploaded in the browser to be loaded like any other, and fetched where there is no server."""
