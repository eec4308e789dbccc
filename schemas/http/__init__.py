"""Bodies of the HTTP interface: what a client sends and what it gets back, one module per service."""
