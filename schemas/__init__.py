"""Everything that crosses a process boundary: envelope, topics, event data, and the documents made of them."""
