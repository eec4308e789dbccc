"""What crosses the process boundary in feeds and streams, one module for each feed."""
