"""The services. Each is one loop: claim rows, call the connector, record what happened."""
